"""How a batch is cut into tasks. What becomes of batches is in test_pipeline.py and test_stream.py."""

from __future__ import annotations

from collections import Counter
from math import isclose

from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from cardio_ner.spark.shares import HALVINGS, SMALL_BYTES, TASK_BYTES, Round, ranges, rounds_for, spread

SIZES = st.one_of(st.integers(0, 100 * SMALL_BYTES), st.integers(0, 10_000 * TASK_BYTES))


def test_a_small_batch_takes_no_more_cores_than_it_needs() -> None:
    told = [rounds_for(n, cores=8) for n in (0, 1, SMALL_BYTES, SMALL_BYTES + 1, 8 * SMALL_BYTES)]
    assert told == [[Round(n, 1.0)] for n in (1, 1, 1, 2, 8)]


def test_each_round_takes_half_of_what_is_left() -> None:
    assert rounds_for(8 * SMALL_BYTES + 1, cores=8) == [Round(8, 1.0)]
    assert rounds_for(16 * SMALL_BYTES, cores=8) == [Round(8, 0.5), Round(8, 0.5)]
    assert rounds_for(32 * SMALL_BYTES, cores=8) == [Round(8, 0.5), Round(8, 0.25), Round(8, 0.25)]
    shares = [each.share for each in rounds_for(2 * TASK_BYTES * 8, cores=8)]
    assert shares == [*(0.5**n for n in range(1, HALVINGS + 1)), 0.5**HALVINGS]


def test_a_large_batch_begins_with_whole_tasks() -> None:
    whole, *shrinking = rounds_for(5 * TASK_BYTES * 8, cores=8)
    assert (whole.n_tasks, whole.share) == (4 * 8, 0.8)
    assert [round(each.share, 3) for each in shrinking] == [0.1, 0.05, 0.025, 0.013, 0.006, 0.006]


@given(n_bytes=SIZES, cores=st.integers(1, 200))
def test_shares_add_up_shrink_and_cost_little_when_lost(n_bytes: int, cores: int) -> None:
    rounds = rounds_for(n_bytes, cores=cores)
    each = [one.share * n_bytes / one.n_tasks for one in rounds]
    assert isclose(sum(one.share for one in rounds), 1.0)
    assert each == sorted(each, reverse=True)
    assert each[0] <= TASK_BYTES * 1.001
    assert len(rounds) == 1 or each[-1] >= SMALL_BYTES * 0.999
    assert len(rounds) == 1 or all(one.n_tasks % cores == 0 for one in rounds)


@given(n_bytes=SIZES, cores=st.integers(1, 200))
def test_each_task_has_slots_of_its_own(n_bytes: int, cores: int) -> None:
    rounds = rounds_for(n_bytes, cores=cores)
    told = list(ranges(rounds))
    assert all(end - start >= n_tasks for n_tasks, _, start, end in told)
    assert [first for _, first, _, _ in told] == [sum(one.n_tasks for one in rounds[:n]) for n in range(len(rounds))]
    assert [start for _, _, start, _ in told] == [0, *(end for *_, end in told[:-1])]
    assert told[-1][3] == 2**30


def test_rows_are_spread_as_the_shares_say(spark: SparkSession) -> None:
    rounds = [Round(2, 0.5), Round(2, 0.25), Round(3, 0.25)]
    rows = spark.range(6_000).select((F.col("id") % 3_000).cast("string").alias("doc_id"), F.lit("x").alias("text"))
    there = spread(rows, rounds, ["doc_id", "text"])
    assert there.columns == ["doc_id", "text"]
    found = there.select("doc_id", F.spark_partition_id().alias("task")).collect()
    assert sorted(row.doc_id for row in found) == sorted(str(n % 3_000) for n in range(6_000))
    assert len({(row.doc_id, row.task) for row in found}) == 3_000  # both copies of a row in one task
    sizes = Counter(row.task for row in found)
    expected = [6_000 * each.share / each.n_tasks for each in rounds for _ in range(each.n_tasks)]
    assert sorted(sizes) == list(range(7))
    assert all(abs(sizes[task] - size) < 6 * (2 * size) ** 0.5 for task, size in enumerate(expected))


def test_rows_without_an_id_are_spread_too(spark: SparkSession) -> None:
    rows = spark.createDataFrame([(None, "a"), (None, "b"), (None, None)], "doc_id string, text string")
    assert sorted(spread(rows, [Round(5, 1.0)], rows.columns).collect(), key=str) == sorted(rows.collect(), key=str)
