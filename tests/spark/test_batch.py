"""How a batch is cut into tasks. What becomes of batches is in test_pipeline.py and test_stream.py."""

from __future__ import annotations

import pytest

from cardio_ner.spark.annotation import SMALL_BYTES, TASK_BYTES, TASKS_PER_CORE, tasks_for


def test_a_small_batch_takes_no_more_cores_than_it_needs() -> None:
    assert [tasks_for(n, cores=8) for n in (0, 1, SMALL_BYTES, SMALL_BYTES + 1)] == [1, 1, 1, 2]


def test_a_batch_is_spread_over_all_cores_as_soon_as_each_has_enough() -> None:
    assert tasks_for(SMALL_BYTES * 8 + 1, cores=8) == 8
    assert [tasks_for(SMALL_BYTES * 8 * n, cores=8) for n in (2, 3, 4, 9)] == [16, 24, 32, 32]
    assert tasks_for(TASK_BYTES * 8, cores=8) == 8 * TASKS_PER_CORE


@pytest.mark.parametrize("n_bytes", [SMALL_BYTES * 8 + 1, TASK_BYTES * 13, TASK_BYTES * 32 + 1, TASK_BYTES * 77])
def test_no_core_is_left_alone_with_a_last_task(n_bytes: int) -> None:
    assert tasks_for(n_bytes, cores=8) % 8 == 0


def test_no_task_is_larger_than_a_lost_one_may_cost() -> None:
    for n_bytes in range(1, 40 * TASK_BYTES, TASK_BYTES // 3):
        assert n_bytes <= tasks_for(n_bytes, cores=3) * TASK_BYTES
