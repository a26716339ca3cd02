"""The command that a data engineer types: its help, and what it says of wrong arguments."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest
from typer.testing import CliRunner

from cardio_ner.spark.settings import Settings
from processes import PATIENCE
from submitting import ROOT, environment, submit

JOB = [sys.executable, str(ROOT / "jobs/annotate.py")]


def test_help_names_every_option_and_what_is_written() -> None:
    result = subprocess.run([*JOB, "--help"], capture_output=True, text=True, timeout=PATIENCE, check=True)
    for word in ("--input", "--output", "--language-column", "--keep", "OUTPUT/documents", "negated", "diseases in"):
        assert word in result.stdout


def test_help_says_what_holds_where_an_option_is_not_given() -> None:
    wide = environment() | {"COLUMNS": "300"}
    result = subprocess.run([*JOB, "--help"], capture_output=True, text=True, timeout=PATIENCE, check=True, env=wide)
    shown = {words[0]: line for line in result.stdout.splitlines() if (words := line.strip("│* ").split())}
    defaults = Settings()
    for name in ("id_column", "text_column", "language_column", "max_failures", "device", "precision"):
        assert f"default: {getattr(defaults, name)}" in shown[f"--{name.replace('_', '-')}"]
    for name, size in (("batch_bytes", "4GiB"), ("file_bytes", "128MiB")):
        assert f"default: {size}" in shown[f"--{name.replace('_', '-')}"]
        assert Settings(**{name: size}) == defaults


def says_one_line(result: subprocess.CompletedProcess[str], message: str) -> bool:
    shown = result.stdout + result.stderr  # spark-submit passes both on as it likes
    return result.returncode == 2 and message in shown and "Traceback" not in shown


def test_a_wrong_input_ends_with_one_clear_line_and_exit_code_2(tmp_path: Path) -> None:
    result = submit("--input", "/nowhere", "--output", "out", cwd=tmp_path)
    assert says_one_line(result, "error: /nowhere: no such file or folder"), (result.stdout + result.stderr)[-2000:]
    assert not (tmp_path / "out").exists()


def test_a_wrong_argument_ends_so_before_spark_is_started(tmp_path: Path) -> None:
    nowhere = environment() | {"JAVA_HOME": str(tmp_path / "java"), "PATH": str(tmp_path)}
    command = [*JOB, "--input", ".", "--output", "out", "--precision", "int4"]
    result = subprocess.run(
        command, env=nowhere, capture_output=True, text=True, cwd=tmp_path, timeout=PATIENCE, check=False
    )
    assert says_one_line(result, "error: command line: precision"), (result.stdout + result.stderr)[-2000:]
    assert not (tmp_path / "out").exists()


def test_every_option_is_the_setting_of_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: dict[str, Any] = {}

    @contextmanager
    def no_spark(*_: object, **__: object) -> Iterator[None]:
        yield

    def no_run(_spark: None, *paths: str, **others: Any) -> str:
        told.update(paths=paths[:2], settings=paths[2], **others)
        return "an account"

    job = run_path(str(ROOT / "jobs/annotate.py"))
    main = job["main"]
    monkeypatch.setitem(main.__globals__, "session", no_spark)
    monkeypatch.setitem(main.__globals__, "annotate", no_run)
    monkeypatch.setitem(main.__globals__, "quiet_on_interrupt", lambda *_: None)
    wanted = {
        "input_format": "csv",
        "preset": "omop-note",
        "encoding": "ISO-8859-1",
        "id_column": "i",
        "text_column": "t",
        "language_column": "l",
        "language": "es",
        "skip_unchanged": False,
        "max_failures": "3",
        "batch_bytes": 1000,
        "file_bytes": 2000,
        "device": "cuda:1",
        "precision": "fp32",
    }
    options = [
        part
        for name, value in wanted.items()
        for option in [f"--{name.replace('_', '-')}"]
        for part in ([option.replace("--", "--no-")] if value is False else [option, str(value)])
    ]
    others = ["--keep", "a", "--keep", "b", "--retry", "failed", "--database", "cardiology"]
    result = CliRunner().invoke(job["app"], ["--input", "in", "--output", "out", *options, *others])
    assert (result.exit_code, result.output) == (0, "an account\n")
    assert told["paths"] == ("in", "out")
    assert told["settings"] == Settings(**wanted, keep=("a", "b"))
    assert (told["retry"], told["database"], told["is_table"]) == (True, "cardiology", False)
    for seconds in ("nan", "inf", "0", "0.00001", "-1"):
        result = CliRunner().invoke(job["app"], ["--input", "in", "--output", "out", "--follow", seconds])
        assert (result.exit_code, "expected a number of seconds" in result.output) == (2, True)
