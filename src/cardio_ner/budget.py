"""How many tokens a batch may have: what suits the device, and half of what was too much for it."""

from __future__ import annotations

import torch

from cardio_ner.engine.contract import Engine
from cardio_ner.errors import DeviceError

TOKENS_PER_BATCH = {"cpu": 4096, "cuda": 32_768}
"""Where nobody says how many. An H100 computed 1.2 million tokens a second in batches of 4,096, 5.2 in such of 16,384
and 8.3 in such of 65,536 (docs/engine.md); on a CPU more brings nothing."""


def suitable_tokens(device: torch.device) -> int:
    """The budget for a device where nobody says one."""
    return TOKENS_PER_BATCH.get(device.type, TOKENS_PER_BATCH["cpu"])


def half_as_many_tokens(engine: Engine, lengths_tokens: list[int]) -> int:
    """The budget after a batch of such rows was too much. Raises DeviceError where no batch computes less."""
    cost = engine.cost(lengths_tokens)
    if cost <= engine.cost([max(lengths_tokens)]):
        raise DeviceError(
            f"out of memory on a batch of {cost} tokens, {len(lengths_tokens)} rows of {max(lengths_tokens)} at most: "
            "expected room for the smallest batch; give each task more of the GPU (spark.task.resource.gpu.amount), or "
            "keep other programs off it"
        )
    return cost // 2
