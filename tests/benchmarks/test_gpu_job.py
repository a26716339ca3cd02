"""How gpu_job.py asks Spark for a cluster with one GPU, and what its table says."""

from __future__ import annotations

import shlex

import pytest

from gpu_job import CONF, sections, submit_options
from growth_run import SMALL_NOTES
from test_growth import run_over


def confs_of(options: str) -> dict[str, str]:
    words = shlex.split(options)
    return dict(after.split("=", 1) for word, after in zip(words, words[1:], strict=False) if word == "--conf")


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
    # 1,300 notes in 12 s, small ones of 300 in 2 s each: 100 notes a second, of 9 / 1,300 tokens and 150 words
    (table,) = sections([(4, run_over(SMALL_NOTES + 1_000, 12.0), 4_588)])
    row = [cell.strip() for cell in table.splitlines()[-1].strip("|").split("|")]
    assert row[:1] + row[3:7] + row[9:10] == ["4", "12.0", "2.0", "1", "15,000", "4,588"]
