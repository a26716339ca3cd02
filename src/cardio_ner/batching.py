"""Put rows into batches of bounded cost, the longest first.

Longest first: a device that runs out of memory does so in the first batch, not in the last. Every row is in exactly
one batch; a row that alone costs more than the budget stands alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from cardio_ner.errors import ConfigError

STEP_TOKENS = 8
"""Padded widths are multiples of it."""


def pack_in_order(lengths_tokens: Sequence[int], *, max_tokens: int) -> list[list[int]]:
    """Positions of `lengths_tokens`, by length, cut wherever the sum of lengths would pass the budget."""
    _check(max_tokens)
    batches: list[list[int]] = []
    room = 0
    for row in sorted(range(len(lengths_tokens)), key=lambda row: -lengths_tokens[row]):
        if not batches or lengths_tokens[row] > room:
            batches.append([])
            room = max_tokens
        batches[-1].append(row)
        room -= lengths_tokens[row]
    return batches


def group_by_width(
    lengths_tokens: Sequence[int], *, max_tokens: int, step_tokens: int = STEP_TOKENS
) -> list[list[int]]:
    """Positions of `lengths_tokens`, those of one padded width together, so that `rows x width` fits the budget."""
    _check(max_tokens)
    by_width: dict[int, list[int]] = {}
    for row, length in enumerate(lengths_tokens):
        by_width.setdefault(padded_width(length, step_tokens), []).append(row)
    batches = []
    for width, rows in sorted(by_width.items(), reverse=True):
        step = max(1, max_tokens // width)
        batches += [rows[start : start + step] for start in range(0, len(rows), step)]
    return batches


def padded_width(length_tokens: int, step_tokens: int = STEP_TOKENS) -> int:
    """The width that a row of that length is padded to: the next multiple of the step."""
    return max(1, -(-length_tokens // step_tokens)) * step_tokens


def _check(max_tokens: int) -> None:
    if max_tokens < 1:
        raise ConfigError(f"max_tokens_per_batch is {max_tokens}: expected at least 1")
