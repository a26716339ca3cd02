"""The audit: what a flat tagger cannot say of a corpus."""

from pathlib import Path

import pytest

from cardio_ner.corpus.standoff import Audit, Misaligned, audit, read_text
from cardio_ner.document import DISEASE, MEDICATION, Document, Span
from cardio_ner.errors import CorpusError


def doc(text: str, *spans: Span) -> Document:
    return Document("a", "es", text).with_spans(spans)


def test_an_ordinary_corpus_counts_documents_and_mentions_and_nothing_else() -> None:
    documents = [doc("infarto y dolor", Span(0, 7, DISEASE), Span(10, 15, DISEASE)), doc("")]
    assert audit(documents) == Audit(
        documents=2, mentions=2, overlapping=0, starts_inside_word=0, ends_inside_word=0, duplicates=0
    )


def test_nested_and_crossing_mentions_of_a_type_are_counted() -> None:
    nested = doc("a b c d", Span(0, 7, DISEASE), Span(2, 3, DISEASE), Span(4, 5, DISEASE))
    crossing = doc("a b c d", Span(0, 3, DISEASE), Span(2, 5, DISEASE))
    assert audit([nested]).overlapping == 2
    assert audit([crossing]).overlapping == 1


def test_mentions_of_two_types_do_not_count_as_overlapping() -> None:
    allergy = doc("alergia a penicilina", Span(0, 20, DISEASE), Span(10, 20, MEDICATION))
    assert audit([allergy]).overlapping == 0


def test_mentions_that_only_touch_do_not_overlap() -> None:
    assert audit([doc("ab", Span(0, 1, DISEASE), Span(1, 2, DISEASE))]).overlapping == 0


def test_duplicates_are_counted_apart_from_overlaps() -> None:
    counts = audit([doc("infarto", Span(0, 7, DISEASE), Span(0, 7, DISEASE), Span(0, 7, DISEASE))])
    assert (counts.mentions, counts.duplicates, counts.overlapping) == (3, 2, 0)


def test_boundaries_inside_a_word_are_counted_by_side() -> None:
    text = "postinfarto agudos, 5mg"
    counts = audit([doc(text, Span(4, 11, DISEASE), Span(12, 17, DISEASE), Span(21, 23, DISEASE))])
    assert (counts.starts_inside_word, counts.ends_inside_word) == (2, 1)


@pytest.mark.parametrize("text", ["a\r\nb\rc\n", "\ufeffx", "ao\u0301\u00a0\u200b\U0001f48a", ""])
def test_a_text_is_read_without_touching_a_character(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.txt").write_bytes(text.encode("utf-8"))
    assert read_text(tmp_path / "a.txt") == text


def test_bytes_that_are_not_utf8_name_the_file_and_the_place(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"dolor \xf3")
    with pytest.raises(CorpusError, match=r"a\.txt: byte 6 is not UTF-8"):
        read_text(tmp_path / "a.txt")


def test_the_count_of_misaligned_goes_on_when_the_examples_are_full() -> None:
    misaligned = Misaligned()
    for number in range(25):
        misaligned.add(f"line {number}")
    assert misaligned.count == 25
    assert misaligned.examples == tuple(f"line {number}" for number in range(10))
