"""How a batch is cut into tasks: in rounds of one task a core, each round half of what is left.

    4 cores   ████████ ████████ ████████ ████████ │ ████ ████ ████ ████ │ ██ ██ ██ ██ │ ██ ██ ██ ██

Contract
- Rows are spread by chance (a hash of their identity), so no task has just its share, and cores are not equally fast:
  what ends unevenly is made up for by the small tasks at the end. Spark starts a stage's tasks in their order.
- A batch of which half is more than a TASK_BYTES for each core begins with equal tasks of about that size.
- Rows with one identity go to one task.
- No task is larger than TASK_BYTES, nor smaller than SMALL_BYTES unless the batch is.
- The rule is *factoring* (Hummel, Schonberg and Flynn, CACM 35(8), 1992).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cardio_ner.spark.schema import quoted

TASK_BYTES = 4 * 1024**2
"""Input bytes (of Parquet: compressed) of one task, at most: some ten million characters, which a core without matrix
units reads in half an hour and a GPU in seconds. A task leaves a file in staging."""
SMALL_BYTES = 2 * 1024
"""Input bytes that are worth a task of their own: a few short notes; on a CPU a task costs a tenth of a second."""
HALVINGS = 5
"""Rounds that shrink, at most: after them 3 % of what they began with are left, for one more task a core."""
_SLOTS = 2**30
"""Values of the hash, of which each task has a range."""


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
    """The rows in as many partitions as the rounds have tasks, in the rounds' order; equal identities in one.
    (Partitions that were asked for by number Spark neither merges nor splits.)"""
    slot = f"pmod(xxhash64({', '.join(map(quoted, identity))}), {_SLOTS}L)"
    cases = [
        f"WHEN {slot} < {end} THEN {first} + ({slot} - {start}) * {n_tasks} div {end - start}"
        for n_tasks, first, start, end in ranges(rounds)
    ]
    n_tasks = sum(each.n_tasks for each in rounds)
    return rows.repartitionById(n_tasks, F.expr(f"CAST(CASE {' '.join(cases)} END AS INT)"))


def ranges(rounds: Sequence[Round]) -> Iterator[tuple[int, int, int, int]]:
    """Of each round the number of its tasks, that of its first task, and the slots [start, end) that they divide."""
    first = start = 0
    shares = accumulate(each.share for each in rounds)
    for each, share in zip(rounds, shares, strict=True):
        end = round(_SLOTS * share)
        yield each.n_tasks, first, start, end
        first, start = first + each.n_tasks, end
