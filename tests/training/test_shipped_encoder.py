"""The encoder in models/: its vocabulary reads cardiology in whole words, and nothing is lost in it."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from transformers import AutoTokenizer

from awkward_texts import awkward_texts
from cardio_ner.corpus.multicardioner import DATA_VARIABLE, N_FOLDS, read_multicardioner
from cardio_ner.encoder import wrap_tokenizer
from cardio_ner.tokenization import DocumentTokenizer
from cardio_training.fertility import measure_fertility

ROOT = Path(__file__).parents[2]
ENCODER = ROOT / "models/encoder"
MOST_PIECES_A_WORD = 1.45


@pytest.fixture(scope="module")
def tokenizer_that_ships() -> DocumentTokenizer:
    return wrap_tokenizer(AutoTokenizer.from_pretrained(ENCODER))


@settings(max_examples=300, deadline=None)
@given(text=awkward_texts)
def test_every_written_character_stands_in_a_token_and_the_tokens_in_the_text(
    tokenizer_that_ships: DocumentTokenizer, text: str
) -> None:
    tokens = tokenizer_that_ships([text])[0]
    read = [False] * len(text)
    for start, end in zip(tokens.starts, tokens.ends, strict=True):
        assert 0 <= start <= end <= len(text)
        read[start:end] = [True] * (end - start)
    written = [not c.isspace() and unicodedata.category(c) not in {"Cc", "Cf", "Mn"} for c in text]
    assert all(seen for seen, needed in zip(read, written, strict=True) if needed)


@pytest.mark.parametrize("language", ["es", "en", "it"])
def test_a_word_of_unseen_cardiology_is_cut_into_few_pieces_and_none_is_unknown(language: str) -> None:
    if not os.environ.get(DATA_VARIABLE):
        pytest.skip(f"{DATA_VARIABLE} is not set: no MultiCardioNER to measure on")
    read = json.loads((ENCODER / "pretraining.json").read_text(encoding="utf-8"))["recipe"]["cardioccc_folds"]
    corpus = read_multicardioner(Path(os.environ[DATA_VARIABLE]), language)
    unseen = [document.text for fold in range(N_FOLDS) if fold not in read for document in corpus.fold(fold)[1]]
    found = measure_fertility(ENCODER, unseen)
    assert found.words > 50_000
    assert found.pieces / found.words < MOST_PIECES_A_WORD
    assert found.unknown_characters == 0


@pytest.mark.parametrize("language", ["es", "en", "it"])
def test_a_word_of_the_example_notes_is_cut_into_few_pieces(language: str) -> None:
    notes = [path.read_bytes().decode("utf-8") for path in sorted((ROOT / "examples/notes" / language).glob("*.txt"))]
    found = measure_fertility(ENCODER, notes)
    assert found.letter_pieces / found.letter_words < MOST_PIECES_A_WORD
