"""jobs/compact.py as it is typed: what it says, and what it is refused for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cardio_ner.report.tables import open_tables
from cardio_ner.spark.session import CONNECTION
from hand_tables import document, span, write_documents, write_spans
from processes import PATIENCE
from submitting import command, interrupted

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, str(ROOT / "jobs/compact.py"))


def run(*arguments: str, **conf: str) -> subprocess.CompletedProcess[str]:
    options = " ".join(f"--conf '{key}={value}'" for key, value in conf.items())
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False,
        env=os.environ | {"PYSPARK_SUBMIT_ARGS": f"{options} pyspark-shell"},
    )  # fmt: skip


def test_help_says_the_size_of_files_as_a_person_would() -> None:
    assert "[default: 128MiB]" in " ".join(run("--help").stdout.replace("│", " ").split())


def test_it_merges_the_batches_and_says_what_became_of_the_files(tmp_path: Path) -> None:
    write_documents(tmp_path, document("d", "b1-0", at=1), document("d", "b2-0", at=2))
    write_spans(tmp_path, span("d", "b1-0", "old"), span("d", "b2-0", "new"))
    kept = {
        CONNECTION: f"jdbc:derby:;databaseName={tmp_path}/_kept/metastore_db;create=true",
        "spark.sql.warehouse.dir": f"{tmp_path}/_kept/warehouse",
    }
    result = run("--output", str(tmp_path), "--file-bytes", "64MB", "--database", "cardiology", **kept)
    assert result.returncode == 0, result.stderr[-2000:]
    assert "2 batches are now c" in result.stdout
    assert "4 files became 2" in result.stdout
    assert open_tables(tmp_path).execute("SELECT text FROM spans_current").fetchall() == [("new",)]
    refused = run("--output", str(tmp_path))
    assert refused.returncode == 2
    told = "registered in cardiology, whose tables would be without rows: expected --database cardiology"
    assert told in refused.stderr


def test_ctrl_c_ends_it_with_one_line_and_exit_code_130_and_lets_the_output_go(tmp_path: Path) -> None:
    output = tmp_path / "out"
    write_documents(output, document("d", "b1-0", at=1), document("d", "b2-0", at=2))
    write_spans(output, span("d", "b1-0", "old"), span("d", "b2-0", "new"))
    job = command("--output", str(output), master="local[1]", job="compact.py")
    code, said = interrupted(job, log=tmp_path / "log", when=(output / "_state/compaction.json").exists)
    assert said == ["interrupted: every row is there; the next compaction or run undoes this one or finishes it"]
    assert code == 130
    assert not (output / "_lock").exists()
    assert open_tables(output).execute("SELECT text FROM spans_current").fetchall() == [("new",)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "nowhere"], "nowhere: no documents table"),
        (["--output", "nowhere", "--database", "a-b"], "error: database 'a-b': expected a letter"),
        (["--output", "nowhere", "--database", "ward"], "error: --database ward: nothing says where"),
        (["--output", "out", "--file-bytes", "0"], "error: --file-bytes '0': expected a size of 1 KiB to 1 TiB"),
        (["--output", "out", "--file-bytes", "small"], "error: --file-bytes 'small': expected a size"),
    ],
)
def test_a_wrong_argument_ends_with_one_clear_line_and_exit_code_2(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())
