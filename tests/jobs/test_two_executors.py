"""A run over two executors, each a process of its own: the tables of a local run, and no text of a record outside them
(a name is planted in poisoned records and searched for everywhere else)."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyspark
import pytest
from pyspark.sql import SparkSession

from cardio_ner.report.tables import open_tables
from cardio_ner.spark.pipeline import annotate
from cardio_ner.spark.settings import read_settings
from poisoned_records import MARKER, POISONED, write_json_lines
from submitting import submit

WORK = Path(pyspark.__file__).parent / "work"
N_BAD_LINES = 2


@dataclass(frozen=True)
class Run:
    """A folder with in, events and out; what was printed, and what the executors left."""

    folder: Path
    result: subprocess.CompletedProcess[str]
    executors: list[Path]


@pytest.fixture(scope="module")
def run(two_group_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    for name in ("in", "events"):
        (folder / name).mkdir()
    write_json_lines(folder / "in/a.jsonl")
    (folder / "in/bad.jsonl").write_text(f'{{"doc_id": "{MARKER}\n["{MARKER}"]\n')
    (folder / "annotate.yaml").write_text(f"checkpoints:\n  es: {two_group_checkpoint}\n")
    before = set(WORK.glob("app-*"))
    confs = (
        "spark.eventLog.enabled=true",
        f"spark.eventLog.dir=file:{folder}/events",
        "spark.eventLog.compress=false",
    )
    arguments = ("--input", "in", "--output", "out", "--config", "annotate.yaml")
    result = submit(*arguments, master="local-cluster[2,1,1024]", confs=confs, cwd=folder)
    assert result.returncode == 0, (result.stdout + result.stderr)[-2000:]
    # Other tests start applications too; this one's have the events of its own.
    (application,) = {path.name.removeprefix("eventlog_v2_").split(".")[0] for path in (folder / "events").iterdir()}
    assert WORK / application not in before
    return Run(folder, result, list((WORK / application).rglob("std*")))


def holds_marker(path: Path) -> bool:
    return MARKER.encode() in path.read_bytes() or MARKER.lower().encode() in path.read_bytes()


def tables(output: Path) -> list[Any]:
    """Everything but names of batches and times, as DuckDB reads it."""
    connection = open_tables(output)
    documents = "SELECT * EXCLUDE (batch_id, source_batch, annotated_at) FROM documents ORDER BY ALL"
    spans = "SELECT * EXCLUDE (batch_id) FROM spans_current ORDER BY ALL"
    return [connection.execute(query).fetchall() for query in (documents, spans)]


def test_a_run_over_two_executors_gives_the_tables_of_a_local_run(
    run: Run, spark: SparkSession, tmp_path: Path
) -> None:
    assert f"{len(POISONED) + N_BAD_LINES} rows" in run.result.stdout
    settings = read_settings(run.folder / "annotate.yaml", {})
    annotate(spark, str(run.folder / "in"), str(tmp_path / "out"), settings)
    documents, spans = tables(run.folder / "out")
    assert len(documents) == len(POISONED) + N_BAD_LINES
    assert len(spans) > 10
    assert [documents, spans] == tables(tmp_path / "out")


def test_a_planted_name_is_in_no_log_of_driver_or_executors_and_no_event_log(run: Run) -> None:
    events = [path for path in (run.folder / "events").rglob("*") if path.is_file()]
    kept = [path for path in (run.folder / "out").rglob("*") if path.is_file() and "spans" not in path.parts]
    assert len(run.executors) >= 4
    assert events
    assert MARKER not in run.result.stdout + run.result.stderr
    assert [path for path in (*run.executors, *events, *kept) if holds_marker(path)] == []
    assert (run.folder / "out/run.json").stat().st_size > 0
