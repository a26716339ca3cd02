"""The command `cardio-ner`, called in-process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cardio_ner.cli import app

NOTE = Path(__file__).parents[1] / "examples/notes/en/02_ed_telegraphic_stemi.txt"


def test_tag_prints_mentions_as_json_lines_with_exact_offsets(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("Toma bisoprolol 💊 y apixaban.\r\n".encode())
    result = CliRunner().invoke(app, ["tag", "--language", "es", "--json", str(path)])
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(m["text"], m["start_offset"], m["entity_type"]) for m in found] == [
        ("bisoprolol", 5, "MEDICATION"),
        ("apixaban", 20, "MEDICATION"),
    ]
    assert all(0.5 < m["score"] <= 1 for m in found)


def test_tag_reads_standard_input_and_detects_the_language() -> None:
    result = CliRunner().invoke(app, ["tag"], input="The patient was started on warfarin because of stroke.")
    assert "warfarin[medication]" in result.stdout


def test_tag_refuses_a_text_of_another_language_and_names_the_option() -> None:
    result = CliRunner().invoke(app, ["tag"], input="Der Patient nimmt Apixaban wegen Vorhofflimmern und klagt nicht.")
    assert result.exit_code == 2
    assert "standard input: seems to be in none of es, en, it" in result.stderr
    assert "--language" in result.stderr


@pytest.mark.parametrize(
    "arguments", [["tag", "/nowhere.txt"], ["report", "/nowhere"], ["sql", "/nowhere", "SELECT 1"]]
)
def test_a_path_that_is_not_there_is_one_line_and_exit_code_2(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: /nowhere")
