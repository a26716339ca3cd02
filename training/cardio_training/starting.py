"""Where pre-training starts from: the base encoder, carried over to the recipe's vocabulary.

Contract: `start_encoder` leaves `output/start`, once; a start that another recipe made raises ConfigError.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch
from transformers import AutoModelForMaskedLM, PreTrainedModel, PreTrainedTokenizerFast, set_seed
from transformers.utils import logging as transformers_logging

from cardio_ner.checkpoint import resolve_model
from cardio_ner.corpus.multicardioner import data_folder
from cardio_ner.errors import ConfigError
from cardio_training.carryover import carry_over
from cardio_training.pretraining_recipe import PretrainingRecipe, VocabularyRecipe
from cardio_training.saving import check_same_recipe, fast_tokenizer, load_base, save_fp16
from cardio_training.texts import sources_of, weighted_texts
from cardio_training.vocabulary import learn_vocabulary, model_kind

MANIFEST = "pretraining.json"
START_KEYS = frozenset({"base_encoder", "vocabulary", "texts", "cardioccc_folds", "seed"})
"""What decides the start."""
TRAINED = ("bert", "mpnet")
"""transformers' MPNet takes id 1 for padding: in our vocabularies that is the unknown piece, which bytes make rare."""


def start_encoder(recipe: PretrainingRecipe, *, data: Path | None = None) -> Path:
    """Learn the vocabulary and carry the base encoder over, once: the folder `output/start`."""
    folder = recipe.output / "start"
    check_same_recipe(recipe, folder / MANIFEST, START_KEYS)
    if (folder / MANIFEST).exists():
        return folder
    set_seed(recipe.seed)
    base = resolve_model(recipe.base_encoder)
    tokenizer = fast_tokenizer(base)
    with _no_load_report():
        model = load_base(
            recipe.base_encoder,
            base,
            lambda: AutoModelForMaskedLM.from_pretrained(
                base, dtype=torch.float32, use_safetensors=True, output_loading_info=True
            ),
        )
    _check_base(recipe, model, tokenizer)
    counts: dict[str, int] = {}
    if recipe.vocabulary is not None:
        learnt = _vocabulary(recipe, recipe.vocabulary, data)
        counts = asdict(carry_over(model, tokenizer, learnt, seed=recipe.seed))
        tokenizer = learnt
    tokenizer.model_max_length = model.config.max_position_embeddings
    facts = {"recipe": recipe.model_dump(mode="json"), "pieces": counts}
    return save_fp16(folder, model, tokenizer, {MANIFEST: json.dumps(facts, indent=1)})


def _check_base(recipe: PretrainingRecipe, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
    found = f"{model.config.model_type} with {model_kind(tokenizer)} pieces"
    known = model.config.model_type in TRAINED and model_kind(tokenizer) == "WordPiece"
    if not known or tokenizer.mask_token_id is None:
        raise ConfigError(
            f"base_encoder {recipe.base_encoder}: {found}: pre-training expects a bert or an mpnet with WordPiece "
            "pieces and a mask"
        )
    if recipe.row_tokens > model.config.max_position_embeddings:
        raise ConfigError(
            f"row_tokens {recipe.row_tokens}: the base encoder has {model.config.max_position_embeddings} positions: "
            "set row_tokens to that or less"
        )


def _vocabulary(
    recipe: PretrainingRecipe, vocabulary: VocabularyRecipe | str, data: Path | None
) -> PreTrainedTokenizerFast:
    """That of another encoder, or one learnt from the texts."""
    if isinstance(vocabulary, str):
        return fast_tokenizer(resolve_model(vocabulary))
    return _learn(recipe, vocabulary, data_folder(data))


def _learn(recipe: PretrainingRecipe, vocabulary: VocabularyRecipe, data: Path) -> PreTrainedTokenizerFast:
    sources = sources_of(recipe.texts, recipe.cardioccc_folds)
    own = sources_of(vocabulary.texts or recipe.texts, recipe.cardioccc_folds)
    return learn_vocabulary(
        lambda: weighted_texts(own, data), vocabulary, characters_of=lambda: weighted_texts(sources, data)
    )


@contextmanager
def _no_load_report() -> Iterator[None]:
    """A sentence encoder has no head for masked words, and is called corrupted for it: here that is as expected."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)
