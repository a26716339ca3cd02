"""Tokens of words already met: clinical text says the same words again and again, and a table is faster than any regex.

Contract
- A *chunk* is a word with the white space before it, or whatever run of text a tokenizer must see at once. Text that is
  cut into chunks has the chunks' tokens, one after another.
- Places are those of the backend, mended: white space at a token's start is not part of it, and combining marks and
  joiners that follow its last letter are (an accent-stripping normaliser drops them).
- Bounded: a table of over MAX_CHARS characters is emptied before it learns again.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

MAX_CHARS = 1_000_000
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tokens:
    """One text's tokens. All arrays [T]: `ids`; places `[starts, ends)`; does the token begin a word?"""

    ids: NDArray[np.int32]
    starts: Places
    ends: Places
    begins_word: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, some: slice | Places) -> Tokens:
        return Tokens(self.ids[some], self.starts[some], self.ends[some], self.begins_word[some])

    def word_places(self) -> tuple[Places, Places, Places]:
        """(position of each word's first token, starts, ends), each [words]."""
        first = np.flatnonzero(self.begins_word)
        last = np.append(first[1:], len(self.ids)) - 1 if len(first) else first
        return first, self.starts[first], self.ends[last]

    def moved(self, by: int | Places) -> Tokens:
        """The same, so many characters further on."""
        return Tokens(self.ids, self.starts + by, self.ends + by, self.begins_word)


def join(parts: Sequence[Tokens]) -> Tokens:
    """The parts' tokens as one."""
    if len(parts) == 1:
        return parts[0]
    columns = ([getattr(part, name) for part in parts] for name in ("ids", "starts", "ends", "begins_word"))
    return Tokens(*(np.concatenate(column) for column in columns))


def _tokens(rows: Iterable[tuple[int, int, int, bool]]) -> Tokens:
    """Of (id, start, end, begins a word) each."""
    ids, starts, ends, begins = np.array(list(rows), dtype=np.int64).reshape(-1, 4).T
    return Tokens(ids.astype(np.int32), starts, ends, begins.astype(bool))


class WordTable:
    """Chunks → their tokens, through the backend once each. One thread at a time; others wait."""

    def __init__(self, backend: Tokenizer) -> None:
        self._backend = backend
        self._lock = Lock()
        self._empty()

    def _empty(self) -> None:
        self._rows: dict[str, int] = {}
        self._chars = 0
        self._counts = np.empty(0, dtype=np.int64)
        self._known = _tokens([])

    def tokens(self, texts: Sequence[Sequence[str]]) -> list[Tokens]:
        """The tokens of each text; a text is its chunks, end to end."""
        chunks = [chunk for its in texts for chunk in its]
        widths = np.fromiter(map(len, chunks), dtype=np.int64, count=len(chunks))
        with self._lock:
            tokens, counts = self._look_up(chunks, widths)
        ends = np.cumsum([0, *map(len, texts)])
        cuts = np.append(0, np.cumsum(counts))[ends]  # by number: at a border a token without width is of either text
        borders = np.append(0, np.cumsum(widths))[ends]
        return [tokens[first:last].moved(-by) for first, last, by in zip(cuts, cuts[1:], borders, strict=False)]

    def _look_up(self, chunks: Sequence[str], widths: Places) -> tuple[Tokens, Places]:
        """The tokens of all chunks, of so many characters, end to end; and how many each has."""
        if self._chars > MAX_CHARS:
            self._empty()
        unknown = list(set(chunks) - self._rows.keys())
        if unknown:
            self._learn(unknown)
        rows = np.fromiter(map(self._rows.__getitem__, chunks), dtype=np.int64, count=len(chunks))
        first = np.cumsum(self._counts) - self._counts
        counts = self._counts[rows]
        before = np.cumsum(counts) - counts
        places = np.arange(counts.sum()) + np.repeat(first[rows] - before, counts)
        return self._known[places].moved(np.repeat(np.cumsum(widths) - widths, counts)), counts

    def _learn(self, chunks: list[str]) -> None:
        encodings = self._backend.encode_batch(chunks, add_special_tokens=False)
        new = _tokens(token for each in zip(encodings, chunks, strict=True) for token in _placed(*each))
        self._rows |= {chunk: len(self._rows) + row for row, chunk in enumerate(chunks)}
        self._chars += sum(map(len, chunks))
        self._counts = np.append(self._counts, [len(encoding) for encoding in encodings])
        self._known = join([self._known, new])


def _placed(encoding: Encoding, chunk: str) -> Iterator[tuple[int, int, int, bool]]:
    """(id, start, end, begins a word) of one chunk's tokens."""
    ids, offsets, words = encoding.ids, encoding.offsets, encoding.word_ids  # each makes a list, every time
    limits = [start for start, _ in offsets[1:]] + [len(chunk)]
    for t, (first, last) in enumerate(offsets):
        start, end = first, last
        if start < end and chunk[start].isspace():
            start = end - len(chunk[start:end].lstrip())
        while end < limits[t] and belongs_to_previous(chunk[end]):
            end += 1
        yield ids[t], start, end, t == 0 or words[t] is None or words[t] != words[t - 1]


def belongs_to_previous(character: str) -> bool:
    """Combining marks (Mn, Mc, Me; variation selectors are Mn) and the two joiners."""
    return not character.isascii() and (unicodedata.category(character).startswith("M") or character in "\u200c\u200d")
