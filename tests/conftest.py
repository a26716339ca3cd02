"""Fixtures that all tests share: tiny checkpoints, a tiny corpus, one real Spark session."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a test that reaches for the network fails at once
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Threads that wait for each other on shared cores burn two thirds of the time, in the programs that tests start too.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The JVMs of tests live for seconds: they would spend more on compiling well than they gain by it, and find the classes
# that `make test` has laid out. A Java that can do nothing with those goes on without, and must not say so aloud.
os.environ.setdefault(
    "JDK_JAVA_OPTIONS",
    "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=240m -Xlog:disable "
    f"-XX:SharedArchiveFile={sys.prefix}/spark.jsa",
)

import pytest
import torch
from pyspark.sql import SparkSession
from transformers import AutoTokenizer

from cardio_ner.checkpoint import MANIFEST, Manifest
from cardio_ner.document import LANGUAGES
from cardio_ner.encoder import wrap_tokenizer
from cardio_ner.spark.account import RunAccount
from cardio_ner.spark.pipeline import annotate
from cardio_ner.spark.session import DEBUGGING
from cardio_ner.spark.settings import Settings
from cardio_ner.tagger import Tagger
from cardio_ner.tokenization import DocumentTokenizer
from deadly_models import DEADLY
from tiny_corpus import write_official_layout
from tiny_models import HUB_LABELS, TWO_GROUPS, write_checkpoint

ROOT = Path(__file__).parents[1]
LONGEST = ("jobs", "cluster", "spark", "sql")
"""Folders whose tests take longest, which come first: the last worker is not left alone with them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files stay whole and in order."""
    items.sort(key=lambda item: LONGEST.index(name) if (name := item.path.parent.name) in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def two_group_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of ours: DISEASE and MEDICATION in two groups, windows of 24 tokens with 8 of overlap."""
    folder = tmp_path_factory.mktemp("two_groups")
    write_checkpoint(folder, TWO_GROUPS.head_labels, max_position_embeddings=128)
    manifest = Manifest(
        languages=LANGUAGES,
        label_groups=tuple(group.labels for group in TWO_GROUPS.groups),
        window_tokens=24,
        overlap_tokens=8,
        base_encoder="random",
        licence="Apache-2.0",
    )
    (folder / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def hub_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as the hub has them: one group, labels in an order of its own, no manifest, 64 positions."""
    return write_checkpoint(tmp_path_factory.mktemp("hub"), HUB_LABELS, max_position_embeddings=64)


@pytest.fixture
def checkpoint_copy(two_group_checkpoint: Path, tmp_path: Path) -> Path:
    """The two-group checkpoint in a folder that the test may spoil."""
    return Path(shutil.copytree(two_group_checkpoint, tmp_path / "checkpoint"))


@pytest.fixture(scope="session")
def tokenizer(two_group_checkpoint: Path) -> DocumentTokenizer:
    """The tiny tokenizer as AutoTokenizer reads it from its folder."""
    return wrap_tokenizer(AutoTokenizer.from_pretrained(two_group_checkpoint))


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Tiny models run many times faster without threads to wake."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def official_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny corpus, read-only by agreement."""
    return write_official_layout(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """local[2], quiet, listening to this machine only."""
    os.environ |= {
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    builder = SparkSession.builder.master("local[2]").appName("cardio-ner tests")
    for line in (ROOT / "conf/spark/local.conf").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            key, value = line.split(None, 1)
            builder = builder.config(key, value.strip())
    # Of databases that tests make, in several processes at once, none meets another.
    builder = builder.config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
    builder = builder.config("spark.python.daemon.module", "warm_daemon").config(DEBUGGING, "false")
    with pytest.MonkeyPatch.context() as patched:  # what the JVM has seen, its Python processes see
        patched.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def annotated_notes(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunAccount]:
    """The example notes, annotated by the checkpoints that ship: the output, and the run's account."""
    output = tmp_path_factory.mktemp("annotated_notes") / "out"
    return output, annotate(spark, str(ROOT / "examples/notes"), str(output), Settings())


@pytest.fixture(scope="module")
def deadly(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Iterator[ModuleType]:
    """The module above, on this process's path and, through addPyFile, on that of Spark's workers."""
    folder = tmp_path_factory.mktemp("py_files")
    (folder / "deadly_checkpoint.py").write_text(DEADLY, encoding="utf-8")
    spark.sparkContext.addPyFile(str(folder / "deadly_checkpoint.py"))
    plain = Tagger.tag_counted
    yield importlib.import_module("deadly_checkpoint")
    Tagger.tag_counted = plain  # type: ignore[method-assign]
