"""A record in pieces: nothing is lost, every mention is where its offsets say, whatever the characters."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awkward_texts import awkward_texts
from cardio_ner.document import Document, Span
from cardio_ner.report.pieces import pieces, sentence, visible


@settings(deadline=None)
@given(awkward_texts, st.data())
def test_the_pieces_are_the_record_and_each_mention_is_the_pieces_it_covers(text: str, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.tuples(st.integers(0, len(text)), st.integers(0, len(text))), max_size=6))
    spans = tuple(Span(a, b, kind) for (a, b), kind in zip(cuts, "ABCABC", strict=False) if a < b)
    cut = list(pieces(Document("d", "es", text, spans)))
    assert "".join(text[piece.start : piece.end] for piece in cut) == text
    for place, span in enumerate(spans):
        assert [(piece.start, piece.end) for piece in cut if place in piece.covered_by] == [
            (piece.start, piece.end) for piece in cut if span.start <= piece.start and piece.end <= span.end
        ]
        assert "".join(text[p.start : p.end] for p in cut if place in p.covered_by) == text[span.start : span.end]


def test_the_longest_mention_of_a_piece_comes_first() -> None:
    document = Document("d", "es", "Alergia a penicilina", (Span(10, 20, "MEDICATION"), Span(0, 20, "DISEASE")))
    assert [piece.covered_by for piece in pieces(document)] == [(1,), (1, 0)]


def test_control_characters_get_pictures_and_line_breaks_are_one_line_feed() -> None:
    assert visible("a\x00\r\nb\rc\n\td\x7f💊") == ["a", "␀", "", "\n", "b", "\n", "c", "\n", "\t", "d", "␡", "💊"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No fiebre. Sin dolor. Toma apixaban\t5 mg. Vuelve.", ("Toma ", "apixaban", " 5 mg.")),
        ("ANTECEDENTES\r\napixaban\r\nHTA", ("", "apixaban", "")),
        ("x" * 30 + " y" * 60 + " apixaban " + "z " * 80, ("…" + "y " * 54, "apixaban", " z" * 54 + "…")),
    ],
)
def test_an_example_is_the_sentence_or_line_of_the_mention(text: str, expected: tuple[str, str, str]) -> None:
    start = text.index("apixaban")
    assert sentence(text, start, start + 8) == expected
