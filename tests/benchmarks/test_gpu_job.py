"""How gpu_job.py asks Spark for a cluster with one GPU, and what its table says."""

from __future__ import annotations

import shlex
from itertools import pairwise

import pytest

from gpu_job import CONF, sections, submit_options
from growth_run import SMALL_NOTES, Run


def confs_of(options: str) -> dict[str, str]:
    words = shlex.split(options)
    return dict(after.split("=", 1) for word, after in pairwise(words) if word == "--conf")


@pytest.mark.parametrize("n_tasks", range(1, 33))
def test_all_tasks_of_the_executor_share_its_gpu(n_tasks: int) -> None:
    options = submit_options(n_tasks, "auto")
    confs = confs_of(options)
    assert f"--master local-cluster[1,{n_tasks}," in options
    assert f"--properties-file {CONF}" in options
    # as Spark counts: how many tasks' shares there are in one GPU
    assert int(1 / float(confs["spark.task.resource.gpu.amount"])) == n_tasks == int(confs["spark.executor.cores"])


def test_a_trial_without_a_gpu_asks_for_none() -> None:
    confs = confs_of(submit_options(2, "cpu"))
    assert not any("discoveryScript" in key or key.startswith("spark.worker") for key in confs)
    assert confs["spark.executor.resource.gpu.amount"] == confs["spark.task.resource.gpu.amount"] == "0"


def test_the_table_leaves_out_what_any_run_takes() -> None:
    """1,300 notes in 12 s, 300 of them in 2 s: 100 notes a second, of 200 tokens and 150 words."""
    n_notes = SMALL_NOTES + 1_000
    run = Run(
        documents=n_notes,
        words=150 * n_notes,
        cores=4,
        long_note_bytes=0,
        tokens=200 * n_notes,
        mentions=9,
        startup_seconds={"warmed up": 30.0},
        seconds=12.0,
        small_seconds=2.0,
        processor_seconds={"worker": 7.0, "jvm": 4.0},
        peaks_bytes={"worker": 1_500_000_000},
        live_heap_bytes=0,
        tables={},
        moments=[],
    )
    (table,) = sections([(4, run, 4_588)])
    row = [cell.strip() for cell in table.splitlines()[-1].strip("|").split("|")]
    assert row == ["4", "1,300", "260,000", "12.0", "2.0", "20,000", "15,000", "11", "1,500", "4,588", "30"]
