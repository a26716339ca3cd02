"""Tokens with their places in the untouched text, for text of any length. Rust inside, no torch.

Contract
- `Tokens` are those of the whole text: no truncation, no padding, no special tokens (whatever tokenizer.json asks for).
- Places are code points. They are exact where the tokenizer strips accents or folds case: a combining mark after a
  token's last letter belongs to the token, and space before its first does not.
- A long text goes through in pieces cut at white space, so memory stays near the arrays' own size.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

PIECE_CHARS = 20_000
_MARK_RANGES = (
    "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u200c-\u200d\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f"
)
_MARKS = re.compile(f"[{_MARK_RANGES}]")
_SPACE = re.compile(r"[ \t\r\n]")  # not \s: BERT deletes form feeds and the like, so a cut there would part one word


@dataclass(frozen=True, slots=True)
class Tokens:
    """One text's tokens. All arrays [T]: `ids`; places `[starts, ends)`; does the token begin a word?"""

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    begins_word: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)

    def word_places(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """(position of each word's first token, starts, ends), each [words]."""
        first = np.flatnonzero(self.begins_word)
        last = np.append(first[1:], len(self.ids)) - 1 if len(first) else first
        return first, self.starts[first], self.ends[last]


@dataclass(frozen=True, slots=True)
class DocumentTokenizer:
    """A fast tokenizer, its padding and truncation off, and the ids that a window is wrapped in."""

    backend: Tokenizer
    prefix_ids: tuple[int, ...]
    suffix_ids: tuple[int, ...]
    pad_id: int

    def __post_init__(self) -> None:
        self.backend.no_padding()
        self.backend.no_truncation()

    @property
    def n_special_tokens(self) -> int:
        """How many tokens of a window are not the text's."""
        return len(self.prefix_ids) + len(self.suffix_ids)

    def __call__(self, texts: Sequence[str]) -> list[Tokens]:
        """The tokens of each text."""
        pieces = [list(_pieces(text)) for text in texts]
        flat = [text[start:end] for text, cuts in zip(texts, pieces, strict=True) for start, end in cuts]
        encodings = iter(self.backend.encode_batch(flat, add_special_tokens=False))
        return [
            _join([_place(next(encodings), start) for start, _ in cuts], text)
            for text, cuts in zip(texts, pieces, strict=True)
        ]


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Cut `[0, len(text))` at white space, in pieces of about PIECE_CHARS."""
    start = 0
    while len(text) - start > PIECE_CHARS:
        space = _SPACE.search(text, start + PIECE_CHARS)
        if space is None:
            break
        yield start, space.start()
        start = space.start()
    yield start, len(text)


def _place(encoding: Encoding, shift: int) -> Tokens:
    """One piece's tokens, placed in the whole text."""
    offsets = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2) + shift
    words = np.array([-1 if word is None else word for word in encoding.word_ids], dtype=np.int64)
    begins = np.ones(len(words), dtype=bool)
    begins[1:] = (words[1:] != words[:-1]) | (words[1:] < 0)
    return Tokens(np.array(encoding.ids, dtype=np.int32), offsets[:, 0], offsets[:, 1], begins)


def _join(parts: Sequence[Tokens], text: str) -> Tokens:
    """The parts as one, places mended."""
    ids, starts, ends, begins = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("ids", "starts", "ends", "begins_word")
    )
    for position in np.flatnonzero(starts < ends):
        if text[starts[position]].isspace():
            piece = text[starts[position] : ends[position]]
            starts[position] += len(piece) - len(piece.lstrip())
    return Tokens(ids, starts, _past_marks(text, starts, ends), begins)


def _past_marks(text: str, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ends moved past the combining marks and joiners that follow them (dropped by an accent-stripping normaliser)."""
    if text.isascii() or not _MARKS.search(text):
        return ends
    ends = ends.copy()
    limits = np.append(starts[1:], len(text))
    for position in range(len(ends)):
        end = int(ends[position])
        while end < limits[position] and _belongs_to_previous(text[end]):
            end += 1
        ends[position] = end
    return ends


def _belongs_to_previous(character: str) -> bool:
    """Combining marks (Mn, Mc, Me; variation selectors are Mn) and the two joiners."""
    return unicodedata.category(character).startswith("M") or character in "\u200c\u200d"
