"""The command that a data engineer types: its help, and what it says of wrong arguments."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from processes import PATIENCE
from submitting import ROOT, environment, submit

JOB = [sys.executable, str(ROOT / "jobs/annotate.py")]


def test_help_names_every_option_and_what_is_written() -> None:
    result = subprocess.run([*JOB, "--help"], capture_output=True, text=True, timeout=PATIENCE, check=True)
    for word in ("--input", "--output", "--language-column", "--keep", "OUTPUT/documents", "negated"):
        assert word in result.stdout


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
