"""Which GPU a task tags on: the address that Spark gave it, as torch counts GPUs."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark import TaskContext
from pyspark.resource import ResourceInformation

from cardio_ner.errors import ConfigError
from cardio_ner.spark.placement import Place, cuda_index, place_of_task

ROOT = Path(__file__).parents[2]
UUID_A, UUID_B = "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", "GPU-8932ffff-0a4b-4d0e-9b1e-7c66b6a4a1c2"
MIG_A, MIG_B = "MIG-6f9c4a9e-5f2a-5c1e-8d1f-000000000001", "MIG-GPU-8932f937-d72c-4106-c12f-20bd9faed9f6/1/0"


@pytest.mark.parametrize(
    ("addresses", "visible", "expected"),
    [
        (["0"], None, 0),
        (["3"], None, 3),
        (["3"], "3", 0),
        (["0"], "0,1", 0),
        (["1"], "0,1", 1),
        (["0"], "2,0,1", 1),
        (["2"], "2,0,1", 0),
        (["1"], " 0 , 1 ", 1),
        (["10"], "1,10", 1),
        (["1", "0"], None, 1),
        (["3", "1"], "1,2,3", 2),
        ([UUID_B], f"{UUID_A},{UUID_B}", 1),
        ([UUID_A], "GPU-8932ffff,GPU-8932f937", 1),
        (["GPU-8932f937"], f"{UUID_B},{UUID_A}", 1),
        ([MIG_A], f"{UUID_A},{MIG_A}", 1),
        ([MIG_B], f"{MIG_A},{MIG_B}", 1),
        (["0"], "0,-1,1", 0),
    ],
)
def test_the_device_is_the_addresss_position_among_the_visible_ones_else_the_address(
    addresses: list[str], visible: str | None, expected: int
) -> None:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert cuda_index(addresses, environment) == expected


@pytest.mark.parametrize(
    ("address", "visible"),
    [
        ("0", ""),
        ("0", "1"),
        ("1", "10,11"),
        ("0", "NoDevFiles"),
        ("1", "0,-1,1"),
        ("0", UUID_A),
        (UUID_A, "0"),
        (UUID_A, UUID_B),
        (UUID_A, "GPU-8932,GPU-8932f9"),
        ("GPU-8932f", f"{UUID_A},{UUID_B}"),
        (MIG_A, UUID_A),
    ],
)
def test_an_address_that_is_not_one_visible_gpu_is_refused_with_both_values_and_a_remedy(
    address: str, visible: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        cuda_index([address], {"CUDA_VISIBLE_DEVICES": visible})
    message = str(caught.value)
    assert f"GPU address {address!r} with CUDA_VISIBLE_DEVICES={visible!r}" in message
    assert "expected exactly one entry" in message
    assert "conf/spark/gpus.sh" in message


def test_a_uuid_says_nothing_where_cuda_counts_all_gpus() -> None:
    with pytest.raises(ConfigError, match=r"GPU-8932f937.* with CUDA_VISIBLE_DEVICES unset: expected an index"):
        cuda_index([UUID_A], {})


def task_with(monkeypatch: pytest.MonkeyPatch, *addresses: str, amount: str | None = None) -> None:
    """Make this process a Spark task that was given those GPUs."""
    gpus = {"gpu": ResourceInformation("gpu", list(addresses))} if addresses else {}
    properties = {} if amount is None else {"spark.task.resource.gpu.amount": amount}
    monkeypatch.setattr(TaskContext, "_taskContext", None)
    TaskContext(resources=gpus, localProperties=properties)  # makes itself the process's task
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")


@pytest.mark.parametrize(
    ("amount", "share"), [(None, 1.0), ("1", 1.0), ("1.0", 1.0), ("2", 1.0), ("0.5", 0.5), ("0.25", 0.25)]
)
def test_tasks_that_share_a_gpu_share_its_memory(
    monkeypatch: pytest.MonkeyPatch, amount: str | None, share: float
) -> None:
    task_with(monkeypatch, "3", amount=amount)
    assert place_of_task("auto") == Place("cuda:1", share)


@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:1"])
def test_a_device_that_the_settings_name_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    task_with(monkeypatch, "3", amount="0.5")
    assert place_of_task(device) == Place(device)


def test_a_task_without_gpus_leaves_the_choice_to_the_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    task_with(monkeypatch)
    assert place_of_task("auto") == Place("auto")


def test_so_does_a_process_that_is_no_task() -> None:
    assert place_of_task("auto") == Place("auto")
