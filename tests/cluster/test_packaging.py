"""The image's steps without a container, and the whole environment as an archive. Slow: installs everything anew."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cardio_ner.report.tables import open_tables
from standalone_cluster import ENTRYPOINT, ROOT, built_zip, started

TORCH_INDEX = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple")
FOREIGN = ("PYTHON", "PYSPARK_", "SPARK_")
JOB = [ROOT / "jobs/annotate.py", "--input", ROOT / "examples/notes/es", "--language", "es", "--output", "out"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's environment: docker/install.sh into a new virtual environment."""
    folder = tmp_path_factory.mktemp("image")
    shutil.copy(ROOT / "constraints.txt", folder)
    zipped = built_zip(folder / "built")
    (folder / "wheels").mkdir()
    zipped.rename(folder / "wheels/cardio_ner-0.1.0-py3-none-any.whl")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    places = {"VENV": folder / "venv", "SPARK_HOME": folder / "spark", "BUILT": folder}
    environment = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
    subprocess.run(
        ["sh", ROOT / "docker/install.sh", TORCH_INDEX],
        env=environment | {key: str(value) for key, value in places.items()}, check=True, timeout=1800,
    )  # fmt: skip
    return folder


def n_annotated(output: Path) -> tuple[int, int]:
    found = open_tables(output).execute("SELECT count(*) FILTER (status = 'annotated'), sum(n_spans) FROM documents")
    rows, spans = found.fetchone() or (0, 0)
    return rows, spans


def test_the_images_steps_annotate_the_examples(installed: Path, tmp_path: Path) -> None:
    python = str(installed / "venv/bin/python")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)} | {
        "SPARK_HOME": str(installed / "spark"),
        "SPARK_DRIVER_BIND_ADDRESS": "127.0.0.1",
        "PYSPARK_PYTHON": python,
        "PYSPARK_DRIVER_PYTHON": python,
    }
    submitted = ["--master", "local[2]", "--properties-file", ROOT / "conf/spark/local.conf", *JOB]
    result = subprocess.run(
        [ENTRYPOINT, "driver", *submitted],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    rows, spans = n_annotated(tmp_path / "out")
    assert rows == 12
    assert spans > 400


def test_an_archive_of_the_environment_brings_executors_all_they_need(installed: Path, tmp_path: Path) -> None:
    archive = tmp_path / "environment.tar.gz"
    without_spark = "--exclude=./lib/python*/site-packages/pyspark"  # executors have the cluster's own
    pack = ["tar", "-czf", archive, without_spark, "-C", installed / "venv", "."]
    subprocess.run(pack, check=True, timeout=1800)
    (tmp_path / "cluster").mkdir()
    with started(tmp_path / "cluster", installed / "venv/bin/python") as cluster:
        run = cluster.submit(
            "--archives", f"{archive}#environment", *JOB, cwd=tmp_path, PYSPARK_PYTHON="./environment/bin/python"
        )
        assert run.wait(timeout=1200) == 0, (tmp_path / "log").read_text()[-3000:]
    rows, spans = n_annotated(tmp_path / "out")
    assert rows == 12
    assert spans > 400
