"""What an engine is: which rows go together, what that costs, and their logits.

Shapes: N tokens of a batch end to end, U of them wanted, K labels of the head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

MIN_TOKENS = 512
"""In bfloat16 on a CPU, from so many tokens on, the number of a batch's tokens moved no bit of any one's logits
(measured with AMX, widths of 8 to 256 tokens, one thread and two); below, it did: a document would be tagged by its
company. So no batch is computed with fewer."""

Row = NDArray[np.int32]
"""Token ids of one window, special tokens included."""
Positions = NDArray[np.int64]
"""Places within a row, ascending."""


class Engine(Protocol):
    """A loaded model. What a row gets never depends on the rows beside it (fp32: but for rounding)."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    @property
    def dtype(self) -> torch.dtype:
        """The weights' type."""

    def describe(self) -> str:
        """How it computes, in a few words."""

    def batches(self, lengths_tokens: Sequence[int], *, max_tokens: int) -> list[list[int]]:
        """Positions of `lengths_tokens` in batches that cost at most `max_tokens`, or one row; the longest first."""

    def cost(self, lengths_tokens: Sequence[int]) -> int:
        """How many tokens a batch of such rows is computed as."""

    def logits(self, rows: Sequence[Row], wanted: Sequence[Positions]) -> torch.Tensor:
        """[U, K] float32 on the device: of each row in turn, the tokens at its wanted places. Raises
        torch.OutOfMemoryError and leaves nothing behind: a smaller batch may follow."""


def upload(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    """On the device; to a GPU from pinned memory, without waiting for what it computes."""
    tensor = torch.from_numpy(array)
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)
