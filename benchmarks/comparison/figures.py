"""From seconds to figures: medians, spreads, ratios round by round, mentions that agree.

Contract
- A ratio of two contenders is the median of their ratios within each round, never a ratio of times hours apart.
- `Agreement` counts a mention once: the same in both; of ours, with other ends in theirs (they overlap); or alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from candidates.protocol import Found


@dataclass(frozen=True, slots=True)
class Spread:
    """A median and what it lies between."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(median(values), min(values), max(values))


def rates(amount: float, seconds: Sequence[float]) -> Spread:
    """Amounts per second of rounds that each did the same amount."""
    return Spread.of([amount / each for each in seconds])


def times_faster(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Their seconds by ours, round by round."""
    return Spread.of([their / our for our, their in zip(ours, theirs, strict=True)])


@dataclass(frozen=True, slots=True)
class Agreement:
    """Mentions of two taggers: the same, the same but for their ends or type, and those that the other lacks."""

    same: int
    other_ends: int
    only_ours: int
    only_theirs: int

    @classmethod
    def of(cls, ours: set[Found], theirs: set[Found]) -> Agreement:
        """Count them. Mentions of ours that overlap several of theirs count once."""
        same = ours & theirs
        left = theirs - same
        theirs_left = _by_document(left)
        moved = [mention for mention in ours - same if _overlaps(mention, theirs_left)]
        ours_moved = _by_document(moved)
        matched = [mention for mention in left if _overlaps(mention, ours_moved)]
        return cls(len(same), len(moved), len(ours) - len(same) - len(moved), len(left) - len(matched))


def _by_document(mentions: Iterable[Found]) -> dict[str, list[Found]]:
    by_document: dict[str, list[Found]] = defaultdict(list)
    for mention in mentions:
        by_document[mention.doc_id].append(mention)
    return by_document


def _overlaps(mention: Found, others: dict[str, list[Found]]) -> bool:
    return any(other.start < mention.end and mention.start < other.end for other in others.get(mention.doc_id, ()))
