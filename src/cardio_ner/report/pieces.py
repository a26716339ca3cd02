"""A record cut at the edges of its mentions, and the sentence around a mention: for the terminal and the HTML report.

Contract
- The pieces are the record, in order, nothing lost: every code point is in one of them. A piece lies whole inside or
  whole outside each mention, so whoever shows the pieces needs no offsets (a browser counts UTF-16, records do not).
- `visible` changes only how characters look: control characters become their pictures (`␀`), a Windows line break one
  line feed. What it gives for a code point is at that code point's place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cardio_ner.document import Document

_PICTURES = {code: 0x2400 + code for code in range(32)} | {0x09: 0x09, 0x0A: 0x0A, 0x0D: 0x0A, 0x7F: 0x2421}
_SENTENCE_EDGE = re.compile(r"(?<=[.!?;])\s+|[\r\n]+")
_AROUND_CHARS = 110
"""How much of a sentence is shown on either side of a mention."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a record, `[start, end)` in code points, and the mentions that cover it, as places in its spans."""

    start: int
    end: int
    covered_by: tuple[int, ...]


def pieces(document: Document) -> Iterator[Piece]:
    """The record's pieces in order; the mentions of each from the longest to the shortest."""
    spans = document.spans
    edges = {0, len(document.text)} | {edge for span in spans for edge in (span.start, span.end)}
    waiting = sorted(range(len(spans)), key=lambda place: spans[place].start, reverse=True)
    inside: list[int] = []
    for start, end in pairwise(sorted(edges)):
        inside = [place for place in inside if spans[place].end > start]
        while waiting and spans[waiting[-1]].start == start:
            inside.append(waiting.pop())
        longest_first = sorted(inside, key=lambda place: (spans[place].start - spans[place].end, place))
        yield Piece(start, end, tuple(longest_first))


def visible(text: str) -> Sequence[str]:
    """What a page shows for each code point; nothing for the first half of a Windows line break."""
    shown = list(text.translate(_PICTURES))
    for found in re.finditer("\r\n", text):
        shown[found.start()] = ""
    return shown


def sentence(text: str, start: int, end: int) -> tuple[str, str, str]:
    """The sentence (or line) around a mention: before it, the mention, after it; spaces made one, the far ends cut."""
    before, after = text[max(0, start - _AROUND_CHARS) : start], text[end : end + _AROUND_CHARS]
    edges = list(_SENTENCE_EDGE.finditer(before))
    if edges:
        before = before[edges[-1].end() :]
    elif start > _AROUND_CHARS:
        before = "…" + before.partition(" ")[2]
    edge = _SENTENCE_EDGE.search(after)
    if edge:
        after = after[: edge.start()]
    elif end + _AROUND_CHARS < len(text):
        after = after.rpartition(" ")[0] + "…"
    return _spaced(before).lstrip(), _spaced(text[start:end]), _spaced(after).rstrip()


def _spaced(text: str) -> str:
    return re.sub(r"\s+", " ", text).translate(_PICTURES)
