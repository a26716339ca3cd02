"""`cardio-ner report` over the example notes: the page, a record, its picture."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from cardio_ner.cli import app

NOTES = Path(__file__).parents[2] / "examples/notes"


def test_the_page_shows_tables_and_a_record_and_fits_a_file(notes_output: Path, tmp_path: Path) -> None:
    picture = tmp_path / "record.svg"
    record = ["--notes", str(NOTES), "--doc-id", "en/06_anticoagulation_clinic", "--svg", str(picture)]
    result = CliRunner().invoke(app, ["report", str(notes_output), *record])
    assert result.exit_code == 0, result.output
    for part in ("row_number() OVER (", "│ bisoprolol", "warfarin[medication], goal INR", "06_anticoagulation_clinic"):
        assert part in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 200  # a panel would fill any width
    assert "<svg" in picture.read_text(encoding="utf-8")


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {tmp_path}: no documents table")
