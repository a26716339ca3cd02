"""How a batch is cut into tasks: in rounds of one task a core, each round half of what is left.

    4 cores   ████████ ████████ ████████ ████████ │ ████ ████ ████ ████ │ ██ ██ ██ ██ │ ██ ██ ██ ██

Contract
- Rows are spread by chance (a hash of their identity), so no task has just its share, and cores are not equally fast:
  what ends unevenly is what the last, smallest tasks can make up for. Spark starts a stage's tasks in their order.
- Rows with one identity go to one task.
- No task is larger than a lost one may cost, and none of a round of its own so small that starting it is most of it.
- The rule is *factoring* (Hummel, Schonberg and Flynn, CACM 35(8), 1992).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil

from pyspark.sql import DataFrame

TASK_BYTES = 4 * 1024**2
"""Input bytes (of Parquet: compressed) of one task, at most: some ten million characters."""
SMALL_BYTES = 8 * 1024
"""Input bytes that are worth a task of their own: a task costs a tenth of a second."""
HALVINGS = 5
"""Rounds that shrink, at most: after them 3 % of the batch are left, for one more task a core."""
_SLOTS = 2**30
"""Values of the hash: of the largest batch (4 GiB by default) a task has thousands."""


@dataclass(frozen=True, slots=True)
class Round:
    """Tasks of equal shares, and the part of the batch that they have together."""

    n_tasks: int
    share: float


def rounds_for(n_bytes: int, *, cores: int) -> list[Round]:
    """The rounds of a batch of so many input bytes; their shares add up to 1."""
    if n_bytes <= SMALL_BYTES * cores:
        return [Round(max(1, ceil(n_bytes / SMALL_BYTES)), 1.0)]
    rounds, left = [], 1.0
    whole = ceil(n_bytes / (TASK_BYTES * cores))
    if whole > 2:  # noqa: PLR2004  half of the batch is more than the cores may take at once
        left = 1 / whole
        rounds.append(Round((whole - 1) * cores, 1 - left))
    for _ in range(HALVINGS):
        if left * n_bytes < 2 * SMALL_BYTES * cores:
            break
        left /= 2
        rounds.append(Round(cores, left))
    return [*rounds, Round(cores, left)]


def spread(rows: DataFrame, rounds: Sequence[Round], identity: Sequence[str]) -> DataFrame:
    """The rows in as many partitions as the rounds have tasks, in the rounds' order; equal identities in one."""
    ends = [round(_SLOTS * share) for share in accumulate(each.share for each in rounds)]
    firsts = [0, *accumulate(each.n_tasks for each in rounds)]
    ends[-1] = _SLOTS
    slot = f"pmod(xxhash64({', '.join(identity)}), {_SLOTS}L)"
    cases = [
        f"WHEN {slot} < {end} THEN {first} + ({slot} - {start}) * {each.n_tasks} div {end - start}"
        for each, first, start, end in zip(rounds, firsts, [0, *ends], ends, strict=False)
    ]
    task = "_task"
    numbered = rows.selectExpr("*", f"CAST(CASE {' '.join(cases)} END AS INT) AS {task}")
    return numbered.repartitionById(firsts[-1], task).drop(task)
