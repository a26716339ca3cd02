"""Span and Document."""

import dataclasses
from typing import Any

import pytest

from cardio_ner.document import DISEASE, MEDICATION, Document, Span
from cardio_ner.errors import CardioNerError, DocumentError


@pytest.mark.parametrize(("start", "end"), [(3, 3), (4, 3), (-1, 2)])
def test_an_empty_or_negative_span_is_refused(start: int, end: int) -> None:
    with pytest.raises(DocumentError, match=rf"\[{start}, {end}\).*code points"):
        Span(start, end, DISEASE)


def test_a_span_without_a_type_is_refused() -> None:
    with pytest.raises(DocumentError, match="without a type"):
        Span(0, 1, "")


@pytest.mark.parametrize("score", [-0.01, 1.01, float("nan")])
def test_a_score_that_is_no_probability_is_refused(score: float) -> None:
    with pytest.raises(DocumentError, match="not a probability"):
        Span(0, 1, DISEASE, score)


@pytest.mark.parametrize("score", [0.0, 1.0, None])
def test_the_edges_of_probability_and_no_score_are_accepted(score: float | None) -> None:
    assert Span(0, 1, DISEASE, score).score == score


def test_the_score_is_no_part_of_equality_hash_or_order() -> None:
    sure, gold = Span(0, 4, DISEASE, 0.9), Span(0, 4, DISEASE)
    assert sure == gold
    assert hash(sure) == hash(gold)
    assert not sure < gold
    assert not gold < sure


def test_type_start_and_end_are_all_part_of_equality() -> None:
    assert len({Span(0, 4, DISEASE), Span(0, 4, MEDICATION), Span(0, 5, DISEASE), Span(1, 4, DISEASE)}) == 4


def test_a_span_past_the_end_is_refused() -> None:
    with pytest.raises(DocumentError, match=r"\[2, 5\) ends past the text \(4 code points\)"):
        Document("a", "es", "dolo", (Span(2, 5, DISEASE),))


def test_a_span_up_to_the_end_is_accepted() -> None:
    assert Document("a", "es", "dolo", (Span(2, 4, DISEASE),)).spans == (Span(2, 4, DISEASE),)


def test_the_refusal_does_not_quote_the_text() -> None:
    with pytest.raises(DocumentError) as refusal:
        Document("a", "es", "secreto", (Span(2, 50, DISEASE),))
    assert "secreto" not in str(refusal.value)


def test_with_spans_refuses_a_span_past_the_end_too() -> None:
    with pytest.raises(DocumentError, match="past the text"):
        Document("a", "es", "dolor").with_spans([Span(2, 6, DISEASE)])


def test_with_spans_sorts_and_leaves_the_original_alone() -> None:
    bare = Document("a", "es", "infarto y aspirina")
    full = bare.with_spans([Span(10, 18, MEDICATION), Span(0, 7, DISEASE)])
    assert full.spans == (Span(0, 7, DISEASE), Span(10, 18, MEDICATION))
    assert bare.spans == ()
    assert (full.doc_id, full.language, full.text) == (bare.doc_id, bare.language, bare.text)


def test_a_mention_is_cut_in_code_points_not_in_bytes_or_utf16() -> None:
    document = Document("a", "es", "\U0001f48a ao\u0301rtica\r\n", (Span(2, 10, DISEASE),))
    assert document.mention(document.spans[0]) == "ao\u0301rtica"


@pytest.mark.parametrize("value", [Span(0, 1, DISEASE), Document("a", "es", "x")])
def test_both_values_are_frozen(value: Span | Document) -> None:
    name = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, None)
    assert not hasattr(value, "__dict__")


def test_every_refusal_is_of_the_one_error_family() -> None:
    assert issubclass(DocumentError, CardioNerError)
    assert issubclass(DocumentError, ValueError)


def test_a_text_that_is_no_unicode_is_refused_and_not_told() -> None:
    with pytest.raises(DocumentError, match=r"document 'd7': a lone surrogate at code point 14: expected") as caught:
        Document("d7", "es", "Toma aspirina \ud800 y más")
    assert "Toma" not in str(caught.value)
    assert Document("d8", "es", "Toma aspirina 💊 y más").text


@pytest.mark.parametrize("text", [None, float("nan"), b"Toma apixaban", "aórtica".encode()])
def test_a_text_that_is_none_is_refused_with_its_document_and_not_told(text: Any) -> None:
    """A missing text of a data frame, bytes of a file."""
    with pytest.raises(DocumentError, match=f"'n7': its text is of type {type(text).__name__}: expected") as caught:
        Document("n7", "es", text)
    assert "apixaban" not in str(caught.value)
