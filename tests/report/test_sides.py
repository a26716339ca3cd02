"""Gold and annotated documents, from brat folders and from tables: who is matched with whom, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from cardio_ner.corpus.brat import write_brat
from cardio_ner.document import Document, Span
from cardio_ner.errors import CorpusError, DocumentError, InputError
from cardio_ner.report.sides import read_sides
from hand_tables import document, rejected, span, unchanged, write_documents, write_spans

TEXT = "HTA, toma enalapril 💊."
GOLD = (Span(0, 3, "DISEASE"), Span(10, 19, "MEDICATION"))


def note(doc_id: str, text: str = TEXT) -> Document:
    return Document(doc_id, "es", text).with_spans(GOLD)


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    """Two notes in `gold/es`, one in `gold/it/brat`."""
    write_brat([note("a"), note("b")], tmp_path / "gold/es")
    write_brat([note("c")], tmp_path / "gold/it/brat")
    return tmp_path / "gold"


def languages(sides_of: list[Document]) -> list[tuple[str, str]]:
    return [(document.doc_id, document.language) for document in sides_of]


def test_documents_are_named_by_their_path_and_their_folder_says_the_language(gold: Path) -> None:
    sides = read_sides(gold, gold)
    assert languages(sides.gold) == [("es/a", "es"), ("es/b", "es"), ("it/brat/c", "it")]
    assert sides.found == sides.gold
    assert languages(read_sides(gold / "es", gold / "es").gold) == [("a", "es"), ("b", "es")]
    assert languages(read_sides(gold / "it/brat", gold / "it/brat").gold) == [("c", "it")]


def test_the_language_that_is_given_comes_first_and_none_is_guessed(gold: Path, tmp_path: Path) -> None:
    assert {name for _, name in languages(read_sides(gold, gold, language="en").gold)} == {"en"}
    write_brat([note("a")], tmp_path / "it/hospital/notes")  # of a path further up, `it` may be any word
    assert languages(read_sides(tmp_path / "it/hospital/notes", tmp_path / "it/hospital/notes").gold) == [("a", "und")]


def test_of_tables_the_current_mentions_count_and_the_language_where_no_folder_says_it(tmp_path: Path) -> None:
    write_brat([note("a"), note("b")], tmp_path / "gold")
    output = tmp_path / "out"
    write_documents(
        output,
        document("a", "b1-0", at=1, text=TEXT, language="it"),
        document("a", "b2-0", at=2, text=TEXT, language="it"),
        document("b", "b1-0", at=1, text=TEXT),
        unchanged("b", "b2-0", at=2, text=TEXT, source="b1-0"),
        document("other", "b1-0", at=1, text="Fiebre."),
    )
    write_spans(
        output,
        span("a", "b1-0", "HTA", of=TEXT, language="it"),
        span("a", "b2-0", "enalapril", of=TEXT, start=10, entity_type="MEDICATION", language="it"),
        span("b", "b1-0", "HTA", of=TEXT),
        span("other", "b1-0", "Fiebre", of="Fiebre."),
    )
    sides = read_sides(tmp_path / "gold", output)
    assert languages(sides.gold) == [("a", "it"), ("b", "es")]
    assert [document.spans for document in sides.found] == [(GOLD[1],), (GOLD[0],)]
    assert sides.found[0].spans[0].score == 0.5
    assert sides.n_without_gold == 1


def test_a_document_that_was_not_annotated_is_no_document_without_mentions(tmp_path: Path) -> None:
    write_brat([note("a"), note("b")], tmp_path / "gold")
    output = tmp_path / "out"
    write_documents(
        output, document("a", "b1-0", at=1, text=TEXT), document("b", "b1-0", at=1, text=TEXT),
        rejected("b", "b2-0", at=2, text=TEXT),
    )  # fmt: skip
    with pytest.raises(DocumentError, match=r"1 gold documents were not annotated, such as 'b' \(.* such as 'a'\)"):
        read_sides(tmp_path / "gold", output)
    write_brat([note("b")], tmp_path / "found")
    with pytest.raises(DocumentError, match="not annotated, such as 'a'"):
        read_sides(tmp_path / "gold", tmp_path / "found")


def test_another_text_is_refused_for_offsets_count_in_it(gold: Path, tmp_path: Path) -> None:
    write_brat([note("a"), note("b", TEXT + "\r\n")], tmp_path / "found")
    with pytest.raises(DocumentError, match="1 gold documents have another text there, such as 'b'"):
        read_sides(gold / "es", tmp_path / "found")


def test_what_the_job_passes_over_is_passed_over_and_suffixes_are_read_in_any_case(gold: Path, tmp_path: Path) -> None:
    for folder in ("_old", "es/.cache", "it/_x/y"):
        (gold / folder).mkdir(parents=True)
        (gold / folder / "z.ann").write_text("T1\tX 0 1\tH\n")
    (gold / "es/_b.txt").write_text("Borrador.")
    (gold / "es/a.txt").rename(gold / "es/a.TXT")
    (gold / "it/brat/c.ann").rename(gold / "it/brat/c.ANN")
    sides = read_sides(gold, gold)
    assert [(d.doc_id, d.spans) for d in sides.gold] == [(name, GOLD) for name in ("es/a", "es/b", "it/brat/c")]
    hidden = gold.rename(tmp_path / "_gold")  # of the root's own path nothing is passed over
    assert len(read_sides(hidden, hidden).gold) == 3


def test_a_folder_that_is_neither_is_refused(gold: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "half/documents").mkdir(parents=True)
    for spans, message in (("nowhere", "no such folder"), ("empty", "no .txt file"), ("half", "no documents table")):
        with pytest.raises(InputError, match=message):
            read_sides(gold, tmp_path / spans)
    (gold / "es/a.txt").unlink()
    with pytest.raises(CorpusError, match=r"1 \.ann files have no \.txt"):
        read_sides(gold, gold)
