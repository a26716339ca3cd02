"""Attention over rows that stand end to end: each token looks at its own row, and nothing is padded.

Contract
- `varlen` (CUDA, 16-bit): one kernel call for rows of all lengths (`torch.nn.attention.varlen`, FlashAttention-2;
  T. Dao, arXiv 2307.08691).
- `by_length` (elsewhere): rows of one length at a time, so that no mask is needed; rows must be sorted by length.
- `choose_attention` says which, once, when a model is loaded.

Shapes: N tokens of all rows, H heads, D dimensions of a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Protocol

import numpy as np
import torch
from torch.nn import functional as F

from cardio_ner.engine.contract import upload

AMPERE = (8, 0)
"""CUDA compute capability from which FlashAttention and bfloat16 run on tensor cores."""


@dataclass(frozen=True, slots=True)
class RowLengths:
    """Lengths of a batch's rows, sorted, and where each begins: `starts` [rows + 1] on the device, for `varlen`."""

    lengths: tuple[int, ...]
    starts: torch.Tensor

    @classmethod
    def of(cls, lengths_tokens: Sequence[int], device: torch.device) -> RowLengths:
        """On that device, without waiting for it."""
        starts = np.array([0, *accumulate(lengths_tokens)], dtype=np.int32)
        return cls(tuple(lengths_tokens), upload(starts, device))


class Attention(Protocol):
    """One of the two functions below."""

    __name__: str

    def __call__(self, qkv_N3HD: torch.Tensor, rows: RowLengths, /) -> torch.Tensor:
        """[N, H * D] from queries, keys and values; tokens behind the last row get anything finite."""


def choose_attention(device: torch.device, dtype: torch.dtype) -> Attention:
    """The fastest that this device has for this type."""
    if device.type == "cuda" and dtype != torch.float32 and torch.cuda.get_device_capability(device) >= AMPERE:
        return varlen
    return by_length


def by_length(qkv_N3HD: torch.Tensor, rows: RowLengths) -> torch.Tensor:
    """torch's own attention, one call for all rows of one length."""
    _, _, heads, dims = qkv_N3HD.shape
    mixed = qkv_N3HD.new_zeros(len(qkv_N3HD), heads * dims)
    start = 0
    for length, of_length in groupby(rows.lengths):
        end = start + length * len(list(of_length))
        q, k, v = qkv_N3HD[start:end].view(-1, length, 3, heads, dims).permute(2, 0, 3, 1, 4)
        looked = F.scaled_dot_product_attention(q, k, v)
        mixed[start:end].view(-1, length, heads, dims).copy_(looked.transpose(1, 2))
        start = end
    return mixed


def varlen(qkv_N3HD: torch.Tensor, rows: RowLengths) -> torch.Tensor:
    """FlashAttention over all rows at once."""
    from torch.nn.attention.varlen import varlen_attn

    q, k, v = qkv_N3HD.unbind(1)
    longest = rows.lengths[0]
    looked: torch.Tensor = varlen_attn(q, k, v, rows.starts, rows.starts, longest, longest)  # type: ignore[assignment]
    return looked.flatten(1)
