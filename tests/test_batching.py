"""Token-budget batches."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardio_ner.batching import pack_batches
from cardio_ner.errors import ConfigError


@settings(max_examples=150, deadline=None)
@given(lengths=st.lists(st.integers(0, 60), max_size=60), budget=st.integers(1, 200))
def test_every_row_is_in_one_batch_and_no_batch_costs_more_than_the_budget(lengths: list[int], budget: int) -> None:
    batches = pack_batches(lengths, max_tokens_per_batch=budget)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        cost = len(batch) * max(lengths[row] for row in batch)
        assert cost <= budget or len(batch) == 1


@settings(max_examples=100, deadline=None)
@given(lengths=st.lists(st.integers(1, 60), max_size=60), budget=st.integers(1, 200))
def test_rows_come_longest_first_and_a_batch_closes_only_when_full(lengths: list[int], budget: int) -> None:
    batches = pack_batches(lengths, max_tokens_per_batch=budget)
    order = [lengths[row] for batch in batches for row in batch]
    assert order == sorted(lengths, reverse=True)
    for batch in batches[:-1]:
        assert lengths[batch[0]] * (len(batch) + 1) > budget


def test_a_row_longer_than_the_budget_stands_alone() -> None:
    assert pack_batches([3, 50, 3], max_tokens_per_batch=10) == [[1], [0, 2]]


def test_padding_counts_as_work() -> None:
    assert pack_batches([4, 1, 1], max_tokens_per_batch=8) == [[0, 1], [2]]


def test_nothing_makes_no_batch() -> None:
    assert pack_batches([], max_tokens_per_batch=8) == []


def test_a_budget_below_one_token_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_tokens_per_batch is 0"):
        pack_batches([1], max_tokens_per_batch=0)
