"""Where a task tags: the GPU that Spark gave it, as torch counts GPUs, and how much of its memory is the task's.

Contract
- Spark names GPUs by *address*: what the discovery script printed (an index, a UUID). torch counts the GPUs that
  CUDA_VISIBLE_DEVICES leaves visible, from 0. So the device is the address's position in that variable where it is
  set, else the address itself.
- Only where the settings say `auto`; a device named there is taken as it is. A task without GPU resources (local mode,
  CPU clusters) leaves `auto` to the encoder.
- Of several addresses the first is used: a task tags on one GPU.
- No CUDA here: this module only reads names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from pyspark import TaskContext

from cardio_ner.errors import ConfigError

GPU_AMOUNT = "spark.task.resource.gpu.amount"
VISIBLE = "CUDA_VISIBLE_DEVICES"
_NAMES_A_GPU = re.compile(r"\d+|(GPU|MIG)-.+")


@dataclass(frozen=True, slots=True)
class Place:
    """A device as torch names it, and the share of its memory that the task may take."""

    device: str
    memory_share: float = 1.0


def place_of_task(device: str) -> Place:
    """The place of the Spark task that this process works for; outside of a task, the device of the settings."""
    task = TaskContext.get()
    gpu = task.resources().get("gpu") if task and device == "auto" else None
    if task is None or gpu is None or not gpu.addresses:
        return Place(device)
    # Spark hands the session's configuration to every task of a query as local properties.
    amount = float(task.getLocalProperty(GPU_AMOUNT) or 1)
    return Place(f"cuda:{cuda_index(gpu.addresses, os.environ)}", min(1.0, amount))


def cuda_index(addresses: Sequence[str], environment: Mapping[str, str]) -> int:
    """torch's number of the task's first GPU. Raises ConfigError where this process cannot see that GPU."""
    address = addresses[0].strip()
    visible = environment.get(VISIBLE)
    if visible is None:
        if not address.isdecimal():
            raise ConfigError(
                f"GPU address {address!r} with {VISIBLE} unset: expected an index; let the discovery script print "
                f"indexes, as conf/spark/gpus.sh does, or set {VISIBLE} for the executors"
            )
        return int(address)
    # CUDA itself stops reading at the first entry that names no GPU, such as -1.
    entries = list(takewhile(_NAMES_A_GPU.fullmatch, (entry.strip() for entry in visible.split(","))))
    places = [place for place, entry in enumerate(entries) if _same_gpu(address, entry)]
    if len(places) != 1:
        raise ConfigError(
            f"GPU address {address!r} with {VISIBLE}={visible!r}: expected exactly one entry for it; let the discovery "
            "script print the variable's own entries, as conf/spark/gpus.sh does"
        )
    return places[0]


def _same_gpu(address: str, entry: str) -> bool:
    """Do both name one GPU? UUIDs may be cut short, as CUDA allows; indexes may not."""
    if address.isdecimal() or entry.isdecimal():
        return address.isdecimal() and entry.isdecimal() and int(address) == int(entry)
    return address.startswith(entry) or entry.startswith(address)
