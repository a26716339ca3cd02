"""Batches: everything once, within the budget, the longest first."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardio_ner.batching import STEP_TOKENS, group_by_width, pack_in_order, padded_width
from cardio_ner.errors import ConfigError

lengths_of_rows = st.lists(st.integers(0, 600), max_size=60)
budgets = st.integers(1, 5000)


@given(lengths=lengths_of_rows, budget=budgets)
def test_rows_end_to_end_every_row_is_in_one_batch_the_longest_first_within_the_budget(
    lengths: list[int], budget: int
) -> None:
    batches = pack_in_order(lengths, max_tokens=budget)
    flat = [row for batch in batches for row in batch]
    assert sorted(flat) == list(range(len(lengths)))
    assert [lengths[row] for row in flat] == sorted(lengths, reverse=True)
    for batch in batches:
        assert sum(lengths[row] for row in batch) <= budget or len(batch) == 1
    for batch, following in itertools.pairwise(batches):
        assert sum(lengths[row] for row in batch) + lengths[following[0]] > budget, "it would have fitted"


@given(lengths=lengths_of_rows, budget=budgets)
def test_padded_rows_every_row_is_in_one_batch_of_its_width_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = group_by_width(lengths, max_tokens=budget)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    widths = [{padded_width(lengths[row]) for row in batch} for batch in batches]
    assert all(len(of_batch) == 1 for of_batch in widths)
    assert widths == sorted(widths, key=max, reverse=True)
    for batch, (width,) in zip(batches, widths, strict=True):
        assert len(batch) * width <= budget or len(batch) == 1


@given(length=st.integers(0, 5000))
def test_a_padded_width_is_the_next_step(length: int) -> None:
    assert padded_width(length) % STEP_TOKENS == 0
    assert max(length, 1) <= padded_width(length) < max(length, 1) + STEP_TOKENS


def test_a_row_over_the_budget_stands_alone() -> None:
    assert group_by_width([3, 50, 3], max_tokens=16) == [[1], [0, 2]]
    assert pack_in_order([3, 50, 3], max_tokens=6) == [[1], [0, 2]]


def test_batches_are_filled() -> None:
    assert group_by_width([4, 1, 1], max_tokens=16) == [[0, 1], [2]]
    assert pack_in_order([4, 1, 2, 9], max_tokens=12) == [[3], [0, 2, 1]]


def test_no_row_is_no_batch() -> None:
    assert group_by_width([], max_tokens=8) == pack_in_order([], max_tokens=8) == []


@pytest.mark.parametrize("pack", [group_by_width, pack_in_order])
def test_a_budget_below_one_token_is_refused(pack: object) -> None:
    with pytest.raises(ConfigError, match="max_tokens_per_batch is 0: expected at least 1"):
        pack([1], max_tokens=0)  # type: ignore[operator]
