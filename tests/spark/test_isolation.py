"""Tagging in a child process: what kills its process costs its own row, and nothing else changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from cardio_ner.document import Document
from cardio_ner.errors import CheckpointError, DeviceError
from cardio_ner.spark.isolation import TaggingProcess
from cardio_ner.spark.placement import Place
from cardio_ner.spark.settings import Model, Settings, open_models
from cardio_ner.spark.tagging import TaggerSpec, tag_each
from cardio_ner.spark.udf import annotation_udf
from processes import PATIENCE, processes_of, running
from tiny_models import CLINICAL_TEXT

PRIVATE = "SECRET-NAME"
DIED = {"reason": "failed", "error_type": "WorkerDied"}


@pytest.fixture
def spec(deadly: ModuleType, two_group_checkpoint: Path) -> TaggerSpec:
    """The tiny checkpoint that obeys texts which ask for their process's death."""
    (model,) = open_models(Settings(checkpoints={"es": str(two_group_checkpoint)})).values()
    return TaggerSpec(deadly.DeadlyModel(**model.model_dump()), Place("cpu"), "fp32", 4096)


@pytest.fixture
def child() -> Iterator[TaggingProcess]:
    with TaggingProcess() as process:
        yield process


def documents(*texts: str) -> list[Document]:
    return [Document(str(i), "es", text) for i, text in enumerate(texts)]


def harmless(n: int) -> list[str]:
    return [CLINICAL_TEXT[i:] + CLINICAL_TEXT[: 7 * i] for i in range(n)]


def test_the_child_finds_exactly_what_its_parent_finds(child: TaggingProcess, spec: TaggerSpec) -> None:
    texts = documents(*harmless(12), "", "emoji 💊 y \u0301\x00\r\n")
    found = child.tag_each(spec, texts)
    assert found == tag_each(spec, texts)
    assert sum(len(outcome["spans"]) for outcome in found) > 20
    assert child.tag_each(spec, []) == []


def test_a_document_that_kills_its_process_costs_its_own_row(child: TaggingProcess, spec: TaggerSpec) -> None:
    texts = harmless(2)
    expected = tag_each(spec, documents(*texts))
    found = child.tag_each(spec, documents(texts[0], f"KILL {int(signal.SIGKILL)} {PRIVATE}", texts[1]))
    assert found == [expected[0], DIED, expected[1]]


@pytest.mark.parametrize("order", [f"KILL {int(signal.SIGSEGV)}", "EXIT now", "LOST gpu"])
def test_so_does_one_that_crashes_or_ends_its_process_or_loses_the_gpu(
    child: TaggingProcess, spec: TaggerSpec, order: str
) -> None:
    assert child.tag_each(spec, documents(order)) == [DIED]


def test_a_document_that_raises_in_the_child_is_known_by_its_error(child: TaggingProcess, spec: TaggerSpec) -> None:
    found = child.tag_each(spec, documents(CLINICAL_TEXT, f"RAISE {PRIVATE}"))
    assert found[0]["status"] == "annotated"
    assert found[1] == {"reason": "failed", "error_type": "ValueError"}


def test_a_child_that_dies_once_is_no_proof_against_a_document(
    child: TaggingProcess, spec: TaggerSpec, tmp_path: Path
) -> None:
    (tmp_path / "once").mkdir()
    (found,) = child.tag_each(spec, documents(f"ONCE {tmp_path / 'once'}"))
    assert found["status"] == "annotated"
    assert not (tmp_path / "once").exists()


def test_what_is_no_documents_fault_ends_the_task(child: TaggingProcess, spec: TaggerSpec) -> None:
    with pytest.raises(DeviceError, match="no room"):
        child.tag_each(spec, documents("FULL"))
    other = TaggerSpec(Model(name=spec.model.name, model_id="m0123"), Place("cpu"), "fp32", 4096)
    with pytest.raises(CheckpointError, match="the driver has m0123"):
        child.tag_each(other, documents(CLINICAL_TEXT))


def test_a_child_that_dies_before_any_document_ends_the_task(
    child: TaggingProcess, spec: TaggerSpec, deadly: ModuleType
) -> None:
    fatal = replace(spec, model=deadly.FatalModel(**spec.model.model_dump()))
    with pytest.raises(CheckpointError, match=r"the child process ended with status -?[39] while it loaded"):
        child.tag_each(fatal, documents(CLINICAL_TEXT))


def test_a_child_prints_nothing_and_ends_with_its_parent(spec: TaggerSpec, deadly: ModuleType, tmp_path: Path) -> None:
    """In a process of its own, whose every word is caught and which is killed as Spark kills a worker: at once."""
    program = f"""
import os, signal, deadly_checkpoint
from cardio_ner.document import Document
from cardio_ner.spark.isolation import TaggingProcess
from cardio_ner.spark.placement import Place
from cardio_ner.spark.tagging import TaggerSpec

model = deadly_checkpoint.DeadlyModel(name={spec.model.name!r}, model_id={spec.model.model_id!r})
process = TaggingProcess()
texts = ["RAISE {PRIVATE}", "KILL 11 {PRIVATE}", "Dolor {PRIVATE}"]
documents = [Document(str(i), "es", text) for i, text in enumerate(texts)]
for outcome in process.tag_each(TaggerSpec(model, Place("cpu"), "fp32", 4096), documents):
    print(outcome.get("error_type"))
print(process._child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    path = os.pathsep.join([str(Path(str(deadly.__file__)).parent), *sys.path])
    log = tmp_path / "log"
    with running([sys.executable, "-c", program], log=log, env=os.environ | {"PYTHONPATH": path}) as parent:
        assert parent.wait(PATIENCE) == -signal.SIGKILL
        *outcomes, child = log.read_text(encoding="utf-8").split()
        assert outcomes == ["ValueError", "WorkerDied", "None"]
        for _ in range(1200):
            if child not in {process.name for process in processes_of(parent.pid)}:
                return
            time.sleep(0.1)
    pytest.fail("the child outlives its parent by two minutes")


def annotated(frame: DataFrame, spec: TaggerSpec, *, careful: bool) -> list[Row]:
    settings = Settings(checkpoints={"es": spec.model.name}, device="cpu", precision="fp32")
    annotate = annotation_udf(settings, {"es": spec.model}, careful=careful)
    return [row.a for row in frame.select(annotate(F.col("text"), F.lit("es")).alias("a")).collect()]


def test_in_a_spark_job_a_careful_attempt_ends_where_a_plain_one_cannot(spark: SparkSession, spec: TaggerSpec) -> None:
    texts = [text * 9 for text in harmless(2)]
    harmless_frame = spark.createDataFrame([(text,) for text in texts], "text string").coalesce(1)
    deadly_text = f"KILL {int(signal.SIGKILL)} {PRIVATE}"
    frame = spark.createDataFrame([(text,) for text in (deadly_text, *texts)], "text string").coalesce(1)
    expected = annotated(harmless_frame, spec, careful=False)
    with pytest.raises(Exception, match="Python worker exited unexpectedly"):
        annotated(frame, spec, careful=False)
    found = annotated(frame, spec, careful=True)
    assert (found[0].status, found[0].reason, found[0].error_type) == ("rejected", "failed", "WorkerDied")
    assert found[1:] == expected
    assert sum(len(row.spans) for row in expected) > 100


def test_the_child_starts_where_temporary_files_have_long_names(two_group_checkpoint: Path, tmp_path: Path) -> None:
    (folder := tmp_path / ("a-container-of-yarn" * 5)).mkdir()
    script = (
        "import sys\n"
        "from cardio_ner.document import Document\n"
        "from cardio_ner.spark.isolation import TaggingProcess\n"
        "from cardio_ner.spark.placement import Place\n"
        "from cardio_ner.spark.settings import Settings, open_models\n"
        "from cardio_ner.spark.tagging import TaggerSpec\n"
        "(model,) = open_models(Settings(checkpoints={'es': sys.argv[1]})).values()\n"
        "with TaggingProcess() as child:\n"
        "    spec = TaggerSpec(model, Place('cpu'), 'fp32', 4096)\n"
        "    print(child.tag_each(spec, [Document('1', 'es', 'Tos')])[0]['status'])\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(two_group_checkpoint)],
        env=os.environ | {"TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert told.stdout == "annotated\n", told.stderr[-500:]
