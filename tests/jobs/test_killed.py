"""SIGKILL of the whole job at its most delicate moments: the next run ends with the tables of an unbroken one."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cardio_ner.report.tables import open_tables
from submitting import submit, submit_and_kill, write_notes

TEXT = "Ingresa por estenosis aórtica e infarto agudo; toma enalapril y aspirina."
N_FILES = 6


def tables(output: Path) -> list[Any]:
    """Everything but names of batches and times, as DuckDB reads it."""
    connection = open_tables(output)
    documents = "SELECT * EXCLUDE (batch_id, annotated_at) FROM documents ORDER BY ALL"
    spans = "SELECT * EXCLUDE (batch_id) FROM spans ORDER BY ALL"
    current = "SELECT * EXCLUDE (batch_id) FROM spans_current ORDER BY ALL"
    return [connection.execute(query).fetchall() for query in (documents, spans, current)]


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notes")
    for number in range(N_FILES):
        write_notes(folder / f"{number}.jsonl", [f"{number}-{i}" for i in range(4)], TEXT)
        os.utime(folder / f"{number}.jsonl", (1_700_000_000 + number, 1_700_000_000 + number))
    return folder


@pytest.fixture(scope="module")
def arguments(notes: Path, two_group_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    config = tmp_path_factory.mktemp("config") / "annotate.yaml"
    config.write_text(f"checkpoints:\n  es: {two_group_checkpoint}\n", encoding="utf-8")
    two_files = 2 * (notes / "0.jsonl").stat().st_size + 10
    return ["--input", str(notes), "--config", str(config), "--batch-bytes", str(two_files)]


@pytest.fixture(scope="module")
def unbroken(arguments: list[str], tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    output = tmp_path_factory.mktemp("unbroken") / "out"
    result = submit(*arguments, "--output", str(output))
    assert result.returncode == 0, (result.stdout + result.stderr)[-2000:]
    assert "24 rows in 3 batches" in result.stdout
    return tables(output)


def n_folders(output: Path, pattern: str) -> int:
    return sum(1 for _ in output.glob(pattern))


def moments(output: Path) -> dict[str, Callable[[], bool]]:
    """When to kill: seen from outside, by what stands on disk."""

    def between_the_two_writes() -> bool:
        spans = {path.name for path in output.glob("spans/*/*/batch_id=*")}
        return bool(spans - {path.name for path in output.glob("documents/batch_id=*")})

    return {
        "while a batch is tagged": lambda: n_folders(output, "_staging/*/rows") > 0,
        "between spans and documents": between_the_two_writes,
        "after a commit, before Spark's own": lambda: (
            n_folders(output, "documents/batch_id=*") > 1 and n_folders(output, "_state/stream-*/commits/1") == 0
        ),
    }


def test_killed_at_each_moment_the_next_run_ends_with_the_tables_of_an_unbroken_one(
    arguments: list[str], unbroken: list[Any], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    for name, when in moments(output).items():
        assert submit_and_kill(*arguments, "--output", str(output), when=when), name
        assert (output / "_lock").exists(), name
    result = submit(*arguments, "--output", str(output))
    assert result.returncode == 0, (result.stdout + result.stderr)[-2000:]
    assert tables(output) == unbroken
    assert not list(output.glob("_staging*"))
    assert not (output / "_lock").exists()


@pytest.mark.slow
def test_killed_at_ten_random_moments_too(arguments: list[str], unbroken: list[Any], tmp_path: Path) -> None:
    output, chance = tmp_path / "out", random.Random(13)
    for _ in range(10):
        moment = time.monotonic() + chance.uniform(5, 30)
        submit_and_kill(*arguments, "--output", str(output), when=lambda moment=moment: time.monotonic() > moment)
    result = submit(*arguments, "--output", str(output))
    assert result.returncode == 0, (result.stdout + result.stderr)[-2000:]
    assert tables(output) == unbroken


def test_a_second_run_on_the_same_output_is_refused_and_says_whose_lock_it_is(
    arguments: list[str], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    refused = []

    def held() -> bool:
        if not (output / "_lock").exists():
            return False
        refused.append(submit(*arguments, "--output", str(output)))
        return True

    assert submit_and_kill(*arguments, "--output", str(output), when=held)
    assert refused[0].returncode == 3
    assert "held by run" in refused[0].stdout + refused[0].stderr
