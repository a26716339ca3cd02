"""One Spark session for all candidates: the same properties, the same master, nothing heard outside this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import SparkSession

from candidates.protocol import Task


def open_session(task: Task) -> SparkSession:
    """local[cores], with the properties of the task's conf file."""
    conf = Path(task.conf)
    builder = SparkSession.builder.master(f"local[{task.cores}]").appName("head to head")
    for line in conf.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            key, value = line.split(None, 1)
            builder = builder.config(key, value.strip())
    quiet = f"-Dlog4j2.configurationFile={conf.with_name('log4j2-quiet.properties')}"
    return builder.config("spark.driver.extraJavaOptions", quiet).getOrCreate()


@contextmanager
def output_folder(task: Task) -> Iterator[str]:
    """Where one round writes its tables: not there yet, and removed afterwards."""
    with tempfile.TemporaryDirectory(dir=task.scratch) as folder:
        yield str(Path(folder) / "out")
