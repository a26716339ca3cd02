"""Each strict mistake once, by kind."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardio_ner.document import DISEASE, MEDICATION, Document, Span
from cardio_ner.errors import DocumentError
from cardio_ner.evaluation import strict_score
from cardio_ner.mistakes import Mistake, mistakes

TEXT = "x" * 40


def document(*spans: tuple[int, int, str]) -> Document:
    return Document("a", "es", TEXT).with_spans(Span(*span) for span in spans)


def made(gold: Document, found: Document) -> list[tuple[str, tuple[int, int] | None, tuple[int, int] | None]]:
    def place(span: Span | None) -> tuple[int, int] | None:
        return (span.start, span.end) if span else None

    return [(m.kind, place(m.gold), place(m.found)) for m in mistakes([gold], [found])]


def test_one_of_each_kind_in_reading_order() -> None:
    gold = document((0, 5, DISEASE), (6, 9, DISEASE), (10, 12, DISEASE), (20, 25, MEDICATION))
    found = document((0, 5, DISEASE), (6, 8, DISEASE), (14, 16, DISEASE), (19, 25, DISEASE))
    assert made(gold, found) == [
        ("boundary", (6, 9), (6, 8)),
        ("missed", (10, 12), None),
        ("spurious", None, (14, 16)),
        ("type", (20, 25), (19, 25)),
    ]


def test_most_overlap_is_paired_and_each_mention_once() -> None:
    gold, found = document((0, 10, DISEASE)), document((0, 3, DISEASE), (3, 10, DISEASE))
    assert made(gold, found) == [("spurious", None, (0, 3)), ("boundary", (0, 10), (3, 10))]
    assert made(found, gold) == [("missed", (0, 3), None), ("boundary", (3, 10), (0, 10))]
    assert made(document((0, 3, DISEASE)), document((3, 5, DISEASE))) == [
        ("missed", (0, 3), None),
        ("spurious", None, (3, 5)),
    ]  # they touch, and do not overlap


def test_a_boundary_goes_before_a_type() -> None:
    gold = document((0, 9, DISEASE))
    found = document((0, 9, MEDICATION), (0, 4, DISEASE))
    assert made(gold, found) == [("boundary", (0, 9), (0, 4)), ("spurious", None, (0, 9))]
    assert list(mistakes([gold], [found])) == [
        Mistake(gold, "boundary", Span(0, 9, DISEASE), Span(0, 4, DISEASE)),
        Mistake(gold, "spurious", None, Span(0, 9, MEDICATION)),
    ]


def test_other_documents_are_refused() -> None:
    with pytest.raises(DocumentError, match="one side only"):
        list(mistakes([document()], [Document("b", "es", TEXT)]))


SPANS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 8), st.sampled_from([DISEASE, MEDICATION])).map(
        lambda drawn: (drawn[0], drawn[0] + drawn[1], drawn[2])
    ),
    max_size=8,
)


@given(SPANS, SPANS)
def test_they_add_up_to_the_strict_score(gold: list[tuple[int, int, str]], found: list[tuple[int, int, str]]) -> None:
    wanted, given_ = document(*gold), document(*found)
    counts = Counter(m.kind for m in mistakes([wanted], [given_]))
    score = strict_score([wanted], [given_])
    assert score.n_gold - score.true_positives == counts["boundary"] + counts["type"] + counts["missed"]
    assert score.n_predicted - score.true_positives == counts["boundary"] + counts["type"] + counts["spurious"]
