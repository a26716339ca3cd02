"""TagScheme: between mentions (character spans) and BIO tags (one row of tags per label group).

Contract
- A *group* is one BIO head: `O`, then `B-`/`I-` per entity type, in the order of the model's labels. Types that may
  overlap stand in different groups ("alergia a penicilina": a disease that contains a medication).
- A *unit* is what receives a tag: a token, or a word (see `tokenization`). Its place is `[starts[i], ends[i])`.
- `decode(encode(spans)) == spans` for spans that begin and end with a unit and do not overlap within a group.
- What BIO cannot carry is counted by `encode`, never dropped in silence.

Shapes: T units, G groups, K_g labels in group g, K = sum of K_g (the width of the model's head).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cardio_ner.document import Span
from cardio_ner.errors import TagError

OUTSIDE = "O"
Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class LabelGroup:
    """One BIO head: its labels in head order, such as `("O", "B-DISEASE", "I-DISEASE")`.

    Raises TagError unless the labels are one `O` and, per entity type, one `B-` and one `I-` with its name.
    """

    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        expected = {OUTSIDE} | {f"{prefix}-{name}" for name in self.entity_types for prefix in "BI"}
        named = self.entity_types and all(name.strip() for name in self.entity_types)
        if not named or set(self.labels) != expected or len(self.labels) != len(expected):
            raise TagError(
                f"labels {list(self.labels)} are not one BIO group: expected one 'O' and a 'B-' and an 'I-' label "
                "with the name of each entity type; IO and IOBES are not read; names such as LABEL_0 are mended by "
                "id2label in the model's config.json"
            )

    @classmethod
    def of(cls, *entity_types: str) -> LabelGroup:
        """The group `O, B-first, I-first, B-second…`."""
        return cls((OUTSIDE, *(f"{prefix}-{name}" for name in entity_types for prefix in "BI")))

    @cached_property
    def entity_types(self) -> tuple[str, ...]:
        """The types of the group, in the order of their `B-` labels."""
        return tuple(label[2:] for label in self.labels if label.startswith("B-"))

    @cached_property
    def outside(self) -> int:
        """The index of `O`."""
        return self.labels.index(OUTSIDE)

    @cached_property
    def begin(self) -> Ints:
        """[types] the index of each type's `B-` label."""
        return np.array([self.labels.index(f"B-{name}") for name in self.entity_types])

    @cached_property
    def inside(self) -> Ints:
        """[types] the index of each type's `I-` label."""
        return np.array([self.labels.index(f"I-{name}") for name in self.entity_types])

    @cached_property
    def legal(self) -> NDArray[np.bool_]:
        """[K_g, K_g] may the tag of the column follow the tag of the row? `I-x` follows `B-x` and `I-x` alone."""
        legal = np.ones((len(self.labels), len(self.labels)), dtype=bool)
        for begin, inside in zip(self.begin, self.inside, strict=True):
            legal[:, inside] = False
            legal[[begin, inside], inside] = True
        return legal


@dataclass(frozen=True, slots=True)
class EncodedTags:
    """`tags_GT` [groups, units]; how many mentions overlapped another of their group (dropped), had a boundary inside
    a unit (widened to the unit), or touched no unit at all (dropped)."""

    tags_GT: Ints
    n_overlapping: int
    n_widened: int
    n_untagged: int


@dataclass(frozen=True)
class TagScheme:
    """The label groups of a model, in the order of its head."""

    groups: tuple[LabelGroup, ...]

    def __post_init__(self) -> None:
        names = self.entity_types
        if not names or len(set(names)) != len(names):
            raise TagError(f"entity types {list(names)}: expected each type once, in one group")

    @classmethod
    def of(cls, *groups: Sequence[str]) -> TagScheme:
        """`TagScheme.of(["DISEASE"], ["MEDICATION"])`: two groups of one type each."""
        return cls(tuple(LabelGroup.of(*types) for types in groups))

    @cached_property
    def entity_types(self) -> tuple[str, ...]:
        """All types, group by group."""
        return tuple(name for group in self.groups for name in group.entity_types)

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Where each group's labels stand among the K columns of the head."""
        ends = np.cumsum([len(group.labels) for group in self.groups])
        return tuple(slice(int(end) - len(g.labels), int(end)) for g, end in zip(self.groups, ends, strict=True))

    @property
    def n_labels(self) -> int:
        """K, the width of the head."""
        return int(self.slices[-1].stop)

    @cached_property
    def head_labels(self) -> tuple[str, ...]:
        """K names, each once, as `id2label` wants them: plain labels for one group; `O:DISEASE` and the like for the
        `O` of several."""
        if len(self.groups) == 1:
            return self.groups[0].labels
        return tuple(
            f"O:{'+'.join(group.entity_types)}" if label == OUTSIDE else label
            for group in self.groups
            for label in group.labels
        )

    def encode(self, spans: Iterable[Span], starts: Ints, ends: Ints) -> EncodedTags:
        """Tags of the units for the mentions; of mentions that overlap within a group the longest stays.

        `starts`, `ends` [T]: the units' places in code points, in order. Types outside the scheme are ignored.
        """
        tags_GT = np.stack([np.full(len(starts), group.outside) for group in self.groups])
        place = {name: (g, i) for g, group in enumerate(self.groups) for i, name in enumerate(group.entity_types)}
        taken = np.zeros(tags_GT.shape, dtype=bool)
        overlapping = widened = untagged = 0
        for span in sorted(spans, key=lambda s: (s.start - s.end, s.start, s.entity_type)):
            if span.entity_type not in place:
                continue
            g, i = place[span.entity_type]
            first = int(np.searchsorted(ends, span.start, side="right"))
            last = int(np.searchsorted(starts, span.end, side="left"))
            if first >= last:
                untagged += 1
            elif taken[g, first:last].any():
                overlapping += 1
            else:
                widened += int(starts[first] != span.start or ends[last - 1] != span.end)
                taken[g, first:last] = True
                tags_GT[g, first:last] = self.groups[g].inside[i]
                tags_GT[g, first] = self.groups[g].begin[i]
        return EncodedTags(tags_GT, overlapping, widened, untagged)

    def decode(self, tags_GT: Ints, starts: Ints, ends: Ints, scores: Floats | None = None) -> list[Span]:
        """The mentions that legal tags spell, in reading order.

        `scores` [G, T], if given: a probability per unit; a mention's score is the least over its units (the model
        is as sure of a mention as of its least certain piece). Units without any character make no mention.
        Raises TagError for an `I-` that continues nothing.
        """
        spans: list[Span] = []
        for g, group in enumerate(self.groups):
            tags = tags_GT[g]
            before = np.concatenate([[group.outside], tags[:-1]])
            if not group.legal[before, tags].all():
                raise TagError("tags with an I- that continues no mention: decode takes legal paths (see decoding)")
            for name, begin, inside in zip(group.entity_types, group.begin, group.inside, strict=True):
                firsts = np.flatnonzero(tags == begin)
                stops = np.flatnonzero(np.append(tags, group.outside) != inside)
                lasts = stops[np.searchsorted(stops, firsts, side="right")]
                for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
                    start, end = int(starts[first]), int(ends[last - 1])
                    score = None if scores is None else float(scores[g, first:last].min())
                    if start < end:
                        spans.append(Span(start, end, name, score))
        return sorted(spans)
