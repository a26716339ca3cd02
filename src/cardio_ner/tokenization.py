"""Tokens with their places in the untouched text, for text of any length. Rust inside, no torch.

Contract
- `Tokens` are those of the whole text: no truncation, no padding, no special tokens (whatever tokenizer.json asks for).
- Places are code points. They are exact where the tokenizer strips accents or folds case: a combining mark after a
  token's last letter belongs to the token, and space before its first does not.
- A tokenizer that reads words apart from each other (found out by trying, once) reads each word once, see word_table.
- A long text goes through in pieces cut at white space, so memory stays near the arrays' own size. WordPiece gets a run
  of over 100 characters without any in parts, cut before punctuation where it has some; each part begins a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from string import punctuation

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordPiece

from cardio_ner.word_table import Tokens, WordTable, belongs_to_previous, join

PIECE_CHARS = 20_000
LONGEST_CHUNK = 100
"""Characters of a chunk for WordPiece, which takes the cube of a word's length: 13 s for 8,000 digits."""
SEGMENT_CHARS = 500_000
"""Text that goes through the table at a time."""
# Cut at these four alone, and never within a run of space: BERT deletes form feeds and the like, so a cut there would
# part one word, and byte-level tokenizers read a run of space as one.
_SPACE = re.compile(r"(?<=\S)[ \t\r\n]")
_RUN_OF_SPACE = re.compile(r"\s*")
_WORDS = re.compile(r"\s*\S+(?:[^\S \t\r\n]+\S+)*|\s+")
_TRIAL = (
    "  El paciente, de 76 años (IAM-2019),\t recibe\r\n\nAspirin® 100mg/día; can't  don't\u00a0x nai\u0308ve é ß "
    "\u0301e ¿qué? [SEP] </s> <mask> 3.5–4 <b> A\u200b. \N{PILL}\ufe0f \N{ANATOMICAL HEART}x ##ina "
)


@dataclass(frozen=True, slots=True)
class DocumentTokenizer:
    """A fast tokenizer, its padding and truncation off, and the ids that a window is wrapped in."""

    backend: Tokenizer
    prefix_ids: tuple[int, ...]
    suffix_ids: tuple[int, ...]
    pad_id: int
    word_by_word: bool = field(init=False)
    cuts_long_words: bool = field(init=False)
    _table: WordTable = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.backend.no_padding()
        self.backend.no_truncation()
        object.__setattr__(self, "word_by_word", _reads_words_apart(self.backend))
        object.__setattr__(self, "cuts_long_words", self.word_by_word and isinstance(self.backend.model, WordPiece))
        object.__setattr__(self, "_table", WordTable(self.backend))

    @property
    def n_special_tokens(self) -> int:
        """How many tokens of a window are not the text's."""
        return len(self.prefix_ids) + len(self.suffix_ids)

    def __call__(self, texts: Sequence[str]) -> list[Tokens]:
        """The tokens of each text."""
        parts: list[list[Tokens]] = [[] for _ in texts]
        for segment in _segments(texts):
            tokens = self._table.tokens([self._chunks(texts[text][start:end]) for text, start, end in segment])
            for (text, start, _), its in zip(segment, tokens, strict=True):
                parts[text].append(its.moved(start))
        return [join(its) for its in parts]

    def _chunks(self, piece: str) -> list[str]:
        if not self.word_by_word:
            return [piece]
        chunks = _WORDS.findall(piece)
        if not self.cuts_long_words or max(map(len, chunks), default=0) <= LONGEST_CHUNK:
            return chunks
        return [part for chunk in chunks for part in _parts(chunk)]


def _parts(chunk: str) -> Iterator[str]:
    """A chunk in parts of about LONGEST_CHUNK, the space before each not counted; no run of space is parted."""
    start = 0
    while (first := _RUN_OF_SPACE.match(chunk, start).end()) + LONGEST_CHUNK < len(chunk):  # type: ignore[union-attr]
        end = first + LONGEST_CHUNK
        while end > first and not _is_border(chunk, end):
            end -= 1
        if end == first:
            end = _past_marks(chunk, first + LONGEST_CHUNK)
        yield chunk[start:end]
        start = end
    if start < len(chunk):
        yield chunk[start:]


def _is_border(chunk: str, place: int) -> bool:
    """Does BERT part words there: does punctuation, or a run of space, begin?"""
    here = chunk[place]
    if here.isspace():
        return unicodedata.category(here).startswith("Z") and not chunk[place - 1].isspace()
    return here in punctuation or unicodedata.category(here).startswith("P")


def _past_marks(text: str, place: int) -> int:
    """The first place from `place` on that parts no letter from its marks."""
    while place < len(text) and belongs_to_previous(text[place]):
        place += 1
    return place


def _reads_words_apart(backend: Tokenizer) -> bool:
    """Has a text the tokens of its words, read one by one? Tried on a text of many kinds of words; a tokenizer that
    does not split at all, or has tokens with space in or after them, is not tried."""
    added = backend.get_added_tokens_decoder().values()
    if backend.pre_tokenizer is None or any(token.rstrip or re.search(r"\s", token.content) for token in added):
        return False
    table = WordTable(backend)
    apart, whole = table.tokens([_WORDS.findall(_TRIAL), [_TRIAL]])
    return all(
        np.array_equal(getattr(apart, name), getattr(whole, name)) for name in ("ids", "starts", "ends", "begins_word")
    )


def _segments(texts: Sequence[str]) -> Iterator[list[tuple[int, int, int]]]:
    """(text, start, end) of the texts' pieces, in order, SEGMENT_CHARS at a time."""
    segment: list[tuple[int, int, int]] = []
    chars = 0
    for number, text in enumerate(texts):
        for start, end in _pieces(text):
            segment.append((number, start, end))
            chars += end - start
            if chars >= SEGMENT_CHARS:
                yield segment
                segment, chars = [], 0
    if segment:
        yield segment


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Cut `[0, len(text))` at white space, in pieces of about PIECE_CHARS; SEGMENT_CHARS without any are a piece."""
    start = 0
    while len(text) - start > PIECE_CHARS:
        space = _SPACE.search(text, start + PIECE_CHARS, start + SEGMENT_CHARS)
        end = space.start() if space else _past_marks(text, start + SEGMENT_CHARS)
        if end >= len(text):
            break
        yield start, end
        start = end
    yield start, len(text)
