"""What a person looks at: tables through DuckDB, and a record in colours, character for character."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cardio_ner.document import Document, Span
from cardio_ner.errors import InputError
from cardio_ner.report.highlight import highlight
from cardio_ner.report.html.writing import write_html_report
from cardio_ner.report.page import print_report
from cardio_ner.report.tables import open_tables
from hand_tables import document, span, write_documents, write_spans

TEXT = "Toma enalapril por su HTA."


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Tables as the job leaves them: two finished batches of one document, and spans of one unfinished batch."""
    write_documents(tmp_path, *(document("es/a", f"b{day}-0", at=day, text=TEXT) for day in (1, 2)))
    places = (("b1-0", 0, "Toma"), ("b2-0", 5, "enalapril"), ("b3-0", 22, "HTA"))
    medication = {"of": TEXT, "entity_type": "MEDICATION"}
    write_spans(
        tmp_path, *(span("es/a", batch, mention, start=start, **medication) for batch, start, mention in places)
    )
    write_spans(tmp_path / "spans/.spark-staging-1", span("es/a", "b2-0", "su", start=15, **medication))
    return tmp_path


def test_spans_current_shows_the_latest_finished_batch_alone(output: Path) -> None:
    tables = open_tables(output)
    assert tables.execute("SELECT text, batch_id FROM spans_current").fetchall() == [("enalapril", "b2-0")]
    assert tables.execute("SELECT count(*) FROM spans").fetchone() == (3,)


def test_the_report_shows_counts_mentions_and_a_record(output: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    notes = tmp_path_factory.mktemp("notes")
    (notes / "es").mkdir()
    (notes / "es/a.txt").write_text(TEXT)
    console = Console(width=120, file=io.StringIO())
    picture = notes / "record.svg"
    print_report(output, notes=notes, doc_id="es/a", console=console, svg=picture)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for part in ("Toma enalapril[medication] por su HTA.", "negated", "annotated", "FROM spans_current"):
        assert part in shown
    assert "enalapril" in picture.read_text()
    assert 'url("http' not in picture.read_text()


@pytest.mark.parametrize("kept", ["n", "entity_type", "score", "found", "mentions", "records", "filename", "doc id"])
@pytest.mark.parametrize("above", [".", "site=1"])
def test_a_kept_column_may_have_any_name_that_the_report_uses_itself(kept: str, above: str, tmp_path: Path) -> None:
    output, notes = tmp_path / above / "out", tmp_path / "notes"
    write_documents(
        output, document("a", "b1-0", at=1, text=TEXT, **{kept: "4B"}), kept=pa.schema([(kept, pa.string())])
    )
    write_spans(output, span("a", "b1-0", "enalapril", of=TEXT, start=5))
    notes.mkdir()
    (notes / "a.txt").write_text(TEXT)
    console = Console(width=120, file=io.StringIO())
    print_report(output, notes=notes, doc_id=None, console=console)
    assert "Toma enalapril[disease]" in console.file.getvalue()  # type: ignore[attr-defined]
    assert write_html_report(output, tmp_path / "report.html", notes=notes).texts == 1
    assert open_tables(output).execute(f'SELECT "{kept}" FROM documents').fetchall() == [("4B",)]


def test_a_folder_without_tables_and_a_record_without_file_are_refused(output: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no documents table"):
        open_tables(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"no file of this name.*Expected the folder of notes"):
        print_report(output, notes=tmp_path, doc_id="es/a", console=Console(quiet=True))
    with pytest.raises(InputError, match="no such folder"):
        print_report(output, notes=tmp_path / "elsewhere", doc_id=None, console=Console(quiet=True))
    with pytest.raises(InputError, match="es/zz: no such document"):
        print_report(output, notes=tmp_path, doc_id="es/zz", console=Console(quiet=True))


def test_a_note_that_has_changed_is_not_coloured(output: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    notes = tmp_path_factory.mktemp("notes")
    (notes / "es").mkdir()
    (notes / "es/a.txt").write_text(f"Hoy: {TEXT}")
    for doc_id in ("es/a", None):
        with pytest.raises(InputError, match="not the text that was annotated"):
            print_report(output, notes=notes, doc_id=doc_id, console=Console(quiet=True))


def test_a_note_of_any_length_is_shown_where_none_is_of_the_best(
    output: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    notes = tmp_path_factory.mktemp("notes")
    (notes / "es").mkdir()
    (notes / "es/a.txt").write_text(TEXT)
    console = Console(width=120, file=io.StringIO())
    print_report(output, notes=notes, doc_id=None, console=console)
    assert "Toma enalapril[medication]" in console.file.getvalue()  # type: ignore[attr-defined]


@given(st.data())
def test_highlighting_changes_no_character_but_control_characters(data: st.DataObject) -> None:
    text = data.draw(st.text(alphabet="aé \u0301\r\n\u00a0\u200b👨‍⚕️[]", min_size=1, max_size=30))
    cuts = data.draw(st.lists(st.tuples(st.integers(0, len(text)), st.integers(0, len(text))), max_size=4))
    spans = [Span(a, b, kind) for (a, b), kind in zip(cuts, ["DISEASE", "MEDICATION"] * 2, strict=False) if a < b]
    shown = highlight(Document("d", "es", text).with_spans(spans)).plain
    for name in ("[disease]", "[medication]"):
        shown = shown.replace(name, "")
    assert shown == text.replace("\r", "")


def test_what_a_terminal_would_obey_is_not_shown() -> None:
    text = "Toma \x1b[2Jenalapril\x9b31m."
    shown = highlight(Document("d", "es", text).with_spans([Span(9, 18, "MEDICATION")]))
    assert shown.plain == "Toma [2Jenalapril[medication]31m."


def test_a_mention_after_a_windows_line_break_is_coloured_exactly() -> None:
    shown = highlight(Document("d", "en", "Fever.\r\nTakes warfarin.").with_spans([Span(14, 22, "MEDICATION")]))
    assert shown.plain == "Fever.\nTakes warfarin[medication]."
    assert [shown.plain[span.start : span.end] for span in shown.spans] == ["warfarin", "[medication]"]
