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


def test_with_a_file_it_writes_a_page_that_has_the_records_or_counts_only(notes_output: Path, tmp_path: Path) -> None:
    def written(name: str, *options: str) -> tuple[str, str]:
        file = tmp_path / name
        result = CliRunner().invoke(app, ["report", str(notes_output), "--output", str(file), *options])
        assert (result.exit_code, result.stdout) == (0, ""), result.output
        return file.read_text(encoding="utf-8"), result.stderr

    page, told = written("page.html", "--notes", str(NOTES))
    assert "goal INR" in page
    assert told.startswith(f"{tmp_path}/page.html: ")
    assert "the text of " in told
    counts, told = written("counts.html", "--notes", str(NOTES), "--no-text")
    assert "goal INR" not in counts
    assert "warfarin" not in counts.lower()
    assert "counts only" in told


def test_notes_in_another_encoding_are_shown_with_the_one_that_the_job_was_given(
    notes_output: Path, tmp_path: Path
) -> None:
    note, notes = "es/06_consulta_anticoagulacion.txt", tmp_path / "notes"
    (notes / "es").mkdir(parents=True)
    (notes / note).write_bytes((NOTES / note).read_bytes().decode("utf-8").encode("windows-1252"))
    shown = ["report", str(notes_output), "--notes", str(notes)]
    page = ["--output", str(tmp_path / "page.html")]
    for kind in (["--doc-id", note.removesuffix(".txt")], page):
        assert CliRunner().invoke(app, [*shown, *kind, "--encoding", "windows-1252"]).exit_code == 0
    assert "the text of 1 of them" in CliRunner().invoke(app, [*shown, *page, "--encoding", "cp1252"]).stderr
    refused = CliRunner().invoke(app, [*shown, "--encoding", "klingon"])
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert "--encoding klingon: no encoding of that name" in refused.stderr


def test_options_of_the_other_kind_of_report_are_refused(notes_output: Path, tmp_path: Path) -> None:
    picture = ["--svg", str(tmp_path / "a.svg")]
    for options in (
        ["--no-text"],
        ["--encoding", "cp1252"],
        ["--output", str(tmp_path / "a.html"), "--doc-id", "es/a"],
        picture,
    ):
        result = CliRunner().invoke(app, ["report", str(notes_output), *options])
        assert result.exit_code == 2
        assert "expected with" in result.stderr
    assert list(tmp_path.iterdir()) == []
