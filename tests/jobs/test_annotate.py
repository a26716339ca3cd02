"""The command that a data engineer types, in processes of its own: spark-submit, local and over several executors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cardio_ner.report.tables import open_tables
from processes import PATIENCE
from submitting import ROOT, submit


def test_help_names_every_option_and_what_is_written() -> None:
    command = [sys.executable, ROOT / "jobs/annotate.py", "--help"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    for word in ("--input", "--output", "--language-column", "--keep", "OUTPUT/documents", "negated"):
        assert word in result.stdout


def test_a_run_over_two_executors_gives_the_tables_of_a_local_run(tmp_path: Path) -> None:
    notes = tmp_path / "notes.jsonl"
    texts = ["Toma enalapril por su HTA.", "Takes warfarin.", "Assume ramipril.", "Fiebre.", ""] * 3
    codes = ["es", "en", "it", "es", "es"] * 3
    records = [{"doc_id": f"d{i}", "language": c, "text": t} for i, (c, t) in enumerate(zip(codes, texts, strict=True))]
    notes.write_text("".join(json.dumps(record) + "\n" for record in records))
    tables = []
    for master in ("local[2]", "local-cluster[2,1,1024]"):
        output = tmp_path / master[:8]
        result = submit("--input", str(notes), "--output", str(output), master=master, cwd=tmp_path)
        assert result.returncode == 0, (result.stdout + result.stderr)[-2000:]
        assert "15 rows" in result.stdout
        query = "SELECT doc_id, language, entity_type, start_offset, end_offset, text FROM spans_current ORDER BY ALL"
        found = open_tables(output).execute(query).fetchall()
        assert ("d0", "es", "MEDICATION", 5, 14, "enalapril") in found
        tables.append(found)
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "/nowhere", "--output", "out"], "error: /nowhere: no such file or folder"),
        (["--input", ".", "--output", "out", "--precision", "int4"], "error: command line: precision"),
    ],
)
def test_a_wrong_argument_ends_with_one_clear_line_and_exit_code_2(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    result = submit(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    shown = result.stdout + result.stderr  # spark-submit passes both on as it likes
    assert message in shown
    assert "Traceback" not in shown
    assert not (tmp_path / "out").exists()
