"""Token-budget batches."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardio_ner.batching import MIN_TOKENS, STEP_TOKENS, pack_batches, padded_length, rows_to_compute
from cardio_ner.errors import ConfigError

LENGTHS = st.lists(st.integers(0, 60), max_size=60)


@settings(max_examples=150, deadline=None)
@given(lengths=LENGTHS, budget=st.integers(1, 200))
def test_every_row_is_in_one_batch_and_no_batch_costs_more_than_the_budget(lengths: list[int], budget: int) -> None:
    batches = pack_batches(lengths, max_tokens_per_batch=budget)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        cost = len(batch) * max(padded_length(lengths[row]) for row in batch)
        assert cost <= budget or len(batch) == 1


@settings(max_examples=100, deadline=None)
@given(lengths=LENGTHS, budget=st.integers(1, 200))
def test_a_batch_has_one_width_and_closes_only_when_full(lengths: list[int], budget: int) -> None:
    batches = pack_batches(lengths, max_tokens_per_batch=budget)
    widths = [{padded_length(lengths[row]) for row in batch} for batch in batches]
    assert all(len(width) == 1 for width in widths)
    order = [width.pop() for width in widths]
    assert order == sorted(order, reverse=True)
    for batch, width, following in zip(batches, order, order[1:], strict=False):
        assert width != following or width * (len(batch) + 1) > budget


@given(st.integers(0, 600))
def test_a_width_is_the_next_multiple_of_the_step(length: int) -> None:
    assert padded_length(length) % STEP_TOKENS == 0
    assert max(length, 1) <= padded_length(length) < max(length, 1) + STEP_TOKENS


@given(st.integers(1, 100), st.integers(1, 100).map(lambda n: n * STEP_TOKENS))
def test_small_batches_get_idle_rows_and_large_ones_none(n_rows: int, width: int) -> None:
    rows = rows_to_compute(n_rows, width)
    assert rows * width >= MIN_TOKENS
    assert rows == n_rows or (rows - 1) * width < MIN_TOKENS


def test_a_row_longer_than_the_budget_stands_alone() -> None:
    assert pack_batches([3, 50, 3], max_tokens_per_batch=16) == [[1], [0, 2]]


def test_padding_counts_as_work() -> None:
    assert pack_batches([4, 1, 1], max_tokens_per_batch=16) == [[0, 1], [2]]


def test_nothing_makes_no_batch() -> None:
    assert pack_batches([], max_tokens_per_batch=8) == []


def test_a_budget_below_one_token_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_tokens_per_batch is 0"):
        pack_batches([1], max_tokens_per_batch=0)
