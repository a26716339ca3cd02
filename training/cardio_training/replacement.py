"""Mention replacement: while learning, mentions make way for others of their language and type, drawn anew each time.

After X. Dai and H. Adel, "An analysis of simple data augmentation for named entity recognition" (COLING 2020, arXiv
2010.11683).

Contract
- What takes a mention's place is a distinct mention of the windows that are learnt; no gazetteer, nothing held out.
- Only mentions that end within their window, and that no mention of another group touches, are replaced.
- A window stays within `longest` tokens: what is pushed out at its end is cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cardio_ner.tags import LabelGroup, TagScheme
from cardio_training.dataset import IGNORED, Example, fresh_generator

Kind = tuple[str, str]
"""(language, entity type)"""


@dataclass(frozen=True, slots=True)
class Place:
    """A mention's tokens `[start, end)` of a window, its group's row of tags, its type."""

    start: int
    end: int
    group: int
    entity_type: str


@dataclass(frozen=True, slots=True)
class MentionReplacer:
    """An example → the same with each replaceable mention replaced with probability `share`."""

    scheme: TagScheme
    pools: Mapping[Kind, Sequence[Example]]
    share: float
    longest: int

    @classmethod
    def of(cls, examples: Sequence[Example], scheme: TagScheme, *, share: float, longest: int) -> MentionReplacer:
        """With the mentions of these examples to draw from, each distinct one as likely as another."""
        pools: dict[Kind, dict[bytes, Example]] = {}
        for example in examples:
            for place in replaceable(example, scheme):
                mention = example.part(place.start, place.end)
                pools.setdefault((example.language, place.entity_type), {})[mention.ids.tobytes()] = mention
        return cls(scheme, {kind: list(pool.values()) for kind, pool in pools.items()}, share, longest)

    def __call__(self, example: Example) -> Example:
        """The example with other mentions in it, or itself."""
        parts, at = [], 0
        generator = fresh_generator()
        for place in replaceable(example, self.scheme):
            if generator.random() < self.share:
                pool = self.pools[example.language, place.entity_type]
                drawn = pool[int(generator.integers(len(pool)))]
                parts += [example.part(at, place.start), _fitted(drawn, example, place)]
                at = place.end
        return Example.joined([*parts, example.part(at, len(example.ids))]).part(0, self.longest) if parts else example


def replaceable(example: Example, scheme: TagScheme) -> Iterator[Place]:
    """The mentions that may be replaced, in reading order."""
    places = [
        place
        for g, group in enumerate(scheme.groups)
        for place in _mentions(example, g, group)
        if not _touched(example, place, scheme)
    ]
    yield from sorted(places, key=lambda place: place.start)


def _mentions(example: Example, g: int, group: LabelGroup) -> Iterator[Place]:
    """The group's mentions that end within the window."""
    tags = example.tags[g]
    for name, begin, inside in zip(group.entity_types, group.begin, group.inside, strict=True):
        for start in np.flatnonzero(tags == begin).tolist():
            others = np.flatnonzero(tags[start + 1 :] != inside)
            if len(others):
                yield Place(start, start + 1 + int(others[0]), g, name)


def _touched(example: Example, place: Place, scheme: TagScheme) -> bool:
    """Is a mention of another group within it?"""
    return any(
        np.isin(example.tags[g, place.start : place.end], [group.outside, IGNORED], invert=True).any()
        for g, group in enumerate(scheme.groups)
        if g != place.group
    )


def _fitted(drawn: Example, example: Example, place: Place) -> Example:
    """The mention as the window's annotation has it: in other groups what stood in its place, which may be unknown."""
    tags = np.repeat(example.tags[:, place.start : place.start + 1], len(drawn.ids), axis=1)
    tags[place.group] = drawn.tags[place.group]
    return Example(drawn.ids, tags, drawn.begins_word, example.language)
