"""Pack sequences into batches of bounded cost.

Contract: a batch costs `rows x longest row` tokens (padding counts as work) and never more than the budget, but
for a single row that is longer than the budget, which stands alone. Rows are sorted by length, so little is padded.
Every row is in exactly one batch.
"""

from __future__ import annotations

from collections.abc import Sequence

from cardio_ner.errors import ConfigError


def pack_batches(lengths_tokens: Sequence[int], *, max_tokens_per_batch: int) -> list[list[int]]:
    """Positions of `lengths_tokens` grouped into batches, longest rows first.

    Longest first: a device that runs out of memory does so in the first batch, not in the last.
    """
    if max_tokens_per_batch < 1:
        raise ConfigError(f"max_tokens_per_batch is {max_tokens_per_batch}: expected at least 1")
    order = sorted(range(len(lengths_tokens)), key=lambda row: -lengths_tokens[row])
    batches: list[list[int]] = []
    for row in order:
        if batches:
            longest = max(1, lengths_tokens[batches[-1][0]])
            if longest * (len(batches[-1]) + 1) <= max_tokens_per_batch:
                batches[-1].append(row)
                continue
        batches.append([row])
    return batches
