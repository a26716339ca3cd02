"""benchmarks/windows.py: counts, differences and their intervals, and which checkpoints may be scored."""

import numpy as np
import pytest

from cardio_ner.document import Document, Span
from cardio_ner.errors import ConfigError
from windows import counts, difference, f1, never_saw, parse


def document(name: str, *spans: tuple[int, int]) -> Document:
    return Document(name, "es", "x" * 20, tuple(Span(start, end, "DISEASE") for start, end in spans))


def test_counts_are_per_document_right_predicted_and_gold() -> None:
    gold = [document("a", (0, 2), (4, 6)), document("b")]
    found = [document("a", (0, 2), (4, 7), (9, 10)), document("b", (0, 1))]
    assert counts(gold, found, "DISEASE").tolist() == [[1, 3, 2], [0, 1, 0]]
    assert counts(gold, found, "MEDICATION").tolist() == [[0, 0, 0], [0, 0, 0]]


def test_f1_is_micro_and_in_percent() -> None:
    assert f1(np.array([1, 4, 2])) == pytest.approx(100 / 3)
    assert f1(np.array([0, 0, 0])) == 0


def test_a_choice_that_finds_the_same_differs_by_nothing_with_certainty() -> None:
    same = np.array([[3, 4, 5], [1, 2, 2], [0, 1, 3]])
    assert difference(same, same) == (0, 0, 0)


def test_the_interval_of_a_difference_is_about_it_and_wider_where_documents_disagree() -> None:
    worse = np.array([[5, 10, 10]] * 20)
    better = worse + np.array([1, 0, 0])
    by, low, high = difference(better, worse)
    assert by == low == high == pytest.approx(10)
    mixed = worse + np.array([[4, 0, 0], [-2, 0, 0]] * 10)
    by, low, high = difference(mixed, worse)
    assert by == pytest.approx(10)
    assert low < 5
    assert high > 15


@pytest.mark.parametrize(
    ("training_data", "unseen"),
    [
        ({"held_out_fold": 0, "earlier_stage": None}, True),
        ({"held_out_fold": 1}, False),
        ({"held_out_fold": None}, False),
        ({}, False),
        ({"held_out_fold": 0, "earlier_stage": {"held_out_fold": None}}, False),
        ({"held_out_fold": 0, "teachers": [{"held_out_fold": 0}, {"held_out_fold": 2}]}, False),
    ],
)
def test_a_checkpoint_is_scored_only_where_no_stage_saw_the_fold(
    training_data: dict[str, object], *, unseen: bool
) -> None:
    assert never_saw(training_data, 0) is unseen


def test_choices_are_pairs_and_anything_else_is_refused() -> None:
    assert parse("128/32 256/16") == [(128, 32), (256, 16)]
    with pytest.raises(ConfigError, match="pairs such as"):
        parse("128-32")
