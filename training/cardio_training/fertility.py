"""Into how many pieces a vocabulary cuts words (its fertility: Rust et al. 2021, arXiv 2012.15613), and what it loses.

Contract: measured through the tokenizer of serving. A word is what white space parts ("aórtica." is one, of two pieces
at least); a word without punctuation is what serving calls a word and holds a letter or a digit.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cardio_ner.encoder import wrap_tokenizer
from cardio_training.saving import fast_tokenizer


@dataclass(frozen=True, slots=True)
class Fertility:
    """Counts over some texts."""

    words: int
    pieces: int
    letter_words: int
    letter_pieces: int
    unknown_characters: int
    """Characters that stand in no piece or in an unknown one; white space and accents set on their own aside."""


def measure_fertility(encoder: Path, texts: Sequence[str]) -> Fertility:
    """The counts of an encoder's tokenizer over the texts."""
    hub_tokenizer = fast_tokenizer(encoder)
    tokenizer = wrap_tokenizer(hub_tokenizer)
    words = pieces = letter_words = letter_pieces = unknown = 0
    for text, tokens in zip(texts, tokenizer(texts), strict=True):
        words += len(text.split())
        pieces += len(tokens)
        first, starts, ends = tokens.word_places()
        lengths = [*first[1:], len(tokens)] - first
        spelt = [any(map(str.isalnum, text[start:end])) for start, end in zip(starts, ends, strict=True)]
        letter_words += sum(spelt)
        letter_pieces += int(lengths[spelt].sum())
        read = bytearray(len(text))
        for start, end, piece in zip(tokens.starts, tokens.ends, tokens.ids, strict=True):
            if piece != hub_tokenizer.unk_token_id:
                read[start:end] = b"\1" * (end - start)
        unknown += sum(not seen and _is_written(character) for seen, character in zip(read, text, strict=True))
    return Fertility(words, pieces, letter_words, letter_pieces, unknown)


def _is_written(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character) != "Mn"
