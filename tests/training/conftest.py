"""A data folder with texts to pre-train on, and the vocabularies learnt from it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from cardio_training.pretraining_recipe import PretrainingRecipe, VocabularyRecipe
from cardio_training.texts import sources_of, weighted_texts
from cardio_training.vocabulary import learn_vocabulary
from tiny_texts import write_texts


@pytest.fixture(scope="session")
def text_data(official_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny corpus and, beside it, `text/notes.{es,en,it}.jsonl.gz`; read-only by agreement."""
    return write_texts(Path(shutil.copytree(official_data, tmp_path_factory.mktemp("texts") / "data")))


@pytest.fixture(scope="session")
def small_recipe() -> PretrainingRecipe:
    """Rows of 32 tokens, 8 a batch, 12 batches."""
    return PretrainingRecipe.model_validate(
        {
            "output": "to be set",
            "base_encoder": "to be set",
            "vocabulary": {"pieces": 1_000, "common_character": 20},
            "texts": {
                "files": {f"text/notes.{language}.jsonl.gz": 1 for language in ("es", "en", "it")},
                "train": {"es": 2},
            },
            "held_out_share": 0.2,
            "row_tokens": 32,
            "batch_rows": 8,
            "tokens": 12 * 8 * 32,
            "learning_rate": 5e-3,
            "save_every_tokens": 4 * 8 * 32,
            "score_every_tokens": 6 * 8 * 32,
        }
    )


@pytest.fixture(scope="session", params=["wordpiece", "unigram"])
def learnt(request: pytest.FixtureRequest, text_data: Path, small_recipe: PretrainingRecipe) -> PreTrainedTokenizerFast:
    """A vocabulary of each kind, learnt from the tiny texts and a rare character or two."""

    def texts() -> list[str]:
        notes = weighted_texts(sources_of(small_recipe.texts, ()), text_data)
        return [*notes, *["dosis \N{GREEK SMALL LETTER MU}g"] * 6, "raro \N{SNOWMAN}"]

    recipe = VocabularyRecipe(kind=request.param, pieces=1_200, common_character=20)
    return learn_vocabulary(texts, recipe, characters_of=texts)
