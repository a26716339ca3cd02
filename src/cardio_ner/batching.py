"""Pack sequences into batches of bounded cost, whose shape does not change what a row gets.

Contract
- A batch holds rows of one *padded length* (the row's own length rounded up to STEP_TOKENS) and costs
  `rows x padded length` tokens: never more than the budget, but for a single row that is longer, which stands alone.
- Every row is in exactly one batch. A row's width follows from its own length, never from its neighbours': in bfloat16
  the width of a batch moves the logits in their third digit, so a document would be tagged by its company.
- `rows_to_compute` adds idle rows to small batches for the same reason: from MIN_TOKENS on, the number of rows moved no
  bit of a row's logits (measured with AMX, widths of 8 to 256 tokens, one thread and two); below, it did.
"""

from __future__ import annotations

from collections.abc import Sequence

from cardio_ner.errors import ConfigError

STEP_TOKENS = 8
MIN_TOKENS = 512


def padded_length(length_tokens: int) -> int:
    """The width that a row of that length is computed at: the next multiple of STEP_TOKENS."""
    return max(1, -(-length_tokens // STEP_TOKENS)) * STEP_TOKENS


def rows_to_compute(n_rows: int, width_tokens: int) -> int:
    """How many rows a batch is computed with: at least MIN_TOKENS worth of them."""
    return max(n_rows, -(-MIN_TOKENS // width_tokens))


def pack_batches(lengths_tokens: Sequence[int], *, max_tokens_per_batch: int) -> list[list[int]]:
    """Positions of `lengths_tokens` grouped into batches, widest first.

    Widest first: a device that runs out of memory does so in the first batch, not in the last.
    """
    if max_tokens_per_batch < 1:
        raise ConfigError(f"max_tokens_per_batch is {max_tokens_per_batch}: expected at least 1")
    by_width: dict[int, list[int]] = {}
    for row, length in enumerate(lengths_tokens):
        by_width.setdefault(padded_length(length), []).append(row)
    batches = []
    for width, rows in sorted(by_width.items(), reverse=True):
        step = max(1, max_tokens_per_batch // width)
        batches += [rows[start : start + step] for start in range(0, len(rows), step)]
    return batches
