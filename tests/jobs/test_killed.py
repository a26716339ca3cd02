"""SIGKILL of the whole job at its most delicate moments: the next run ends with the tables of an unbroken one."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from cardio_ner.report.tables import open_tables
from cardio_ner.spark.pipeline import annotate
from cardio_ner.spark.settings import read_settings
from submitting import stopped, submit, write_notes

TEXT = "Ingresa por estenosis aórtica e infarto agudo; toma enalapril y aspirina."
N_FILES = 6


@dataclass(frozen=True)
class Job:
    """What all runs of this file do: six small files in three batches."""

    notes: Path
    config: Path
    batch_bytes: str

    def arguments(self, output: Path) -> list[str]:
        options = {"input": self.notes, "config": self.config, "batch-bytes": self.batch_bytes, "output": output}
        return [str(part) for name, value in options.items() for part in (f"--{name}", value)]


def tables(output: Path) -> list[Any]:
    """Everything but names of batches and times, as DuckDB reads it."""
    connection = open_tables(output)
    documents = "SELECT * EXCLUDE (batch_id, annotated_at) FROM documents ORDER BY ALL"
    spans = "SELECT * EXCLUDE (batch_id) FROM spans ORDER BY ALL"
    current = "SELECT * EXCLUDE (batch_id) FROM spans_current ORDER BY ALL"
    return [connection.execute(query).fetchall() for query in (documents, spans, current)]


@pytest.fixture(scope="module")
def job(two_group_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    notes = tmp_path_factory.mktemp("notes")
    for number in range(N_FILES):
        write_notes(notes / f"{number}.jsonl", [f"{number}-{i}" for i in range(4)], TEXT)
        os.utime(notes / f"{number}.jsonl", (1_700_000_000 + number, 1_700_000_000 + number))
    config = tmp_path_factory.mktemp("config") / "annotate.yaml"
    config.write_text(f"checkpoints:\n  es: {two_group_checkpoint}\n", encoding="utf-8")
    return Job(notes, config, str(2 * (notes / "0.jsonl").stat().st_size + 10))


@pytest.fixture(scope="module")
def unbroken(job: Job, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    output = tmp_path_factory.mktemp("unbroken") / "out"
    settings = read_settings(job.config, {"batch_bytes": job.batch_bytes})
    account = annotate(spark, str(job.notes), str(output), settings)
    assert [batch.n_rows for batch in account.batches] == [8, 8, 8]
    return tables(output)


def n_folders(output: Path, pattern: str) -> int:
    return sum(1 for _ in output.glob(pattern))


def moments(output: Path) -> dict[str, Callable[[], bool]]:
    """When to kill: seen from outside, by what stands on disk."""

    def between_the_two_writes() -> bool:
        spans = {path.name for path in output.glob("spans/*/*/batch_id=*")}
        return bool(spans - {path.name for path in output.glob("documents/batch_id=*")})

    def after_a_commit() -> bool:
        n_documents = n_folders(output, "documents/batch_id=*")
        return n_documents > 1 and n_documents > n_folders(output, "_state/stream-*/commits/[0-9]*")

    return {
        "while a batch is tagged": lambda: n_folders(output, "_staging/*/rows") > 0,
        "between spans and documents": between_the_two_writes,
        "after a commit, before Spark's own": after_a_commit,
    }


@dataclass(frozen=True)
class Killed:
    """An output whose runs were killed at each moment, and another run that was started while one stood still."""

    output: Path
    missed: list[str]
    without_lock: list[str]
    second: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def killed(job: Job, tmp_path_factory: pytest.TempPathFactory) -> Killed:
    output = tmp_path_factory.mktemp("killed") / "out"
    second: list[subprocess.CompletedProcess[str]] = []
    missed, without_lock = [], []
    for name, when in moments(output).items():
        with stopped(*job.arguments(output), when=when) as reached:
            if not reached:
                missed.append(name)
            elif not second:
                second.append(submit(*job.arguments(output)))
        if not (output / "_lock").exists():
            without_lock.append(name)
    assert second, missed
    return Killed(output, missed, without_lock, second[0])


def test_a_second_run_on_the_same_output_is_refused_and_says_whose_lock_it_is(killed: Killed) -> None:
    assert killed.second.returncode == 3
    assert "held by run" in killed.second.stdout + killed.second.stderr


def test_killed_at_each_moment_the_next_run_ends_with_the_tables_of_an_unbroken_one(
    job: Job, killed: Killed, unbroken: list[Any]
) -> None:
    assert killed.missed == killed.without_lock == []
    result = submit(*job.arguments(killed.output))
    assert result.returncode == 0, (result.stdout + result.stderr)[-2000:]
    assert tables(killed.output) == unbroken
    assert not list(killed.output.glob("_staging*"))
    assert not (killed.output / "_lock").exists()


@pytest.mark.slow
def test_killed_at_ten_random_moments_too(job: Job, unbroken: list[Any], tmp_path: Path) -> None:
    output, chance = tmp_path / "out", random.Random(13)
    for _ in range(10):
        moment = time.monotonic() + chance.uniform(5, 30)
        with stopped(*job.arguments(output), when=lambda moment=moment: time.monotonic() > moment):
            pass
    result = submit(*job.arguments(output))
    assert result.returncode == 0, (result.stdout + result.stderr)[-2000:]
    assert tables(output) == unbroken
