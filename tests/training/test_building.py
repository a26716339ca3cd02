"""Encoders of other architectures become models to learn with, or are refused by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    DistilBertConfig,
    DistilBertForMaskedLM,
    MPNetConfig,
    MPNetForMaskedLM,
    PreTrainedModel,
    XLNetConfig,
    XLNetLMHeadModel,
)

from cardio_ner.checkpoint import Checkpoint
from cardio_ner.document import DISEASE, MEDICATION
from cardio_ner.errors import CardioNerError, ConfigError
from cardio_training.building import build_model
from cardio_training.pretraining_recipe import PretrainingRecipe
from cardio_training.recipe import Recipe
from cardio_training.run import train
from cardio_training.starting import start_encoder
from cardio_training.trainer import layered
from tiny_models import tiny_tokenizer

pytestmark = pytest.mark.usefixtures("one_thread")


def recipe_of(folder: Path, model: PreTrainedModel, **changes: object) -> Recipe:
    """A recipe over a base of this kind, which is written below the folder."""
    model.save_pretrained(folder / "base")
    tiny_tokenizer().save_pretrained(folder / "base")
    values: dict[str, object] = {
        "output": folder / "run",
        "base_encoder": str(folder / "base"),
        "languages": ["es"],
        "label_groups": [[DISEASE], [MEDICATION]],
        "window_tokens": 48,
        "overlap_tokens": 16,
        "epochs": 1,
    }
    return Recipe.model_validate(values | changes)


def tiny_distilbert() -> PreTrainedModel:
    size = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 64}
    return DistilBertForMaskedLM(DistilBertConfig(vocab_size=len(tiny_tokenizer()), **size))


def test_distilbert_learns_with_the_dropout_of_the_recipe(official_data: Path, tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, tiny_distilbert(), hidden_dropout=0.25)
    model, _ = build_model(recipe, [], official_data)
    assert (model.config.dropout, model.config.attention_dropout) == (0.25, 0.0)
    assert set(Checkpoint.open(train(recipe, data=official_data)).manifest.dev_scores["strict_f1"]) == {
        "es/DISEASE",
        "es/MEDICATION",
    }


def test_a_base_without_a_dropout_that_is_known_is_refused(official_data: Path, tmp_path: Path) -> None:
    size = {"d_model": 32, "n_layer": 1, "n_head": 2, "d_inner": 64}
    recipe = recipe_of(tmp_path, XLNetLMHeadModel(XLNetConfig(vocab_size=len(tiny_tokenizer()), **size)))
    with pytest.raises(ConfigError, match=r"base_encoder .*: xlnet names none of attention_probs_dropout_prob, attent"):
        build_model(recipe, [], official_data)


def test_the_positions_that_layers_share_learn_as_slowly_as_the_embeddings(official_data: Path, tmp_path: Path) -> None:
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    base = MPNetForMaskedLM(MPNetConfig(vocab_size=len(tiny_tokenizer()), max_position_embeddings=66, **size))
    model, _ = build_model(recipe_of(tmp_path, base), [], official_data)
    groups = layered([{"params": list(model.parameters()), "lr": 0.8}], model, 0.5)
    rates = {parameter: group["lr"] for group in groups for parameter in group["params"]}
    assert rates[model.mpnet.encoder.relative_attention_bias.weight] == pytest.approx(0.1)
    assert rates[model.mpnet.embeddings.word_embeddings.weight] == pytest.approx(0.1)
    assert rates[model.classifier.weight] == 0.8
    assert isinstance(model.classifier, torch.nn.Linear)


def spoil(folder: Path, how: str) -> None:
    """Leave weights in the base's folder that are not those of its config.json, or none that can be read."""
    config_file, weights_file = folder / "config.json", folder / "model.safetensors"
    config, weights = json.loads(config_file.read_text(encoding="utf-8")), load_file(weights_file)
    if how == "named otherwise":
        save_file({f"module.{name}": value for name, value in weights.items()}, weights_file, metadata={"format": "pt"})
    elif how == "cut short":
        weights_file.write_bytes(weights_file.read_bytes()[:1000])
    elif how == "pickled":
        weights_file.rename(folder / "pytorch_model.bin")
    else:
        key, value = how.split("=")
        config[key] = int(value) if value.isdigit() else value
        config_file.write_text(json.dumps(config), encoding="utf-8")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("named otherwise", r"base_encoder .*: 37 weights of the encoder are not in its files"),
        ("num_hidden_layers=3", r"base_encoder .*: 16 weights of the encoder .*'bert\.encoder\.layer\.2\."),
        ("intermediate_size=128", r"base_encoder .*: 6 weights of the encoder are not in its files, or have other sh"),
        ("model_type=foobert", r"base_encoder .*: transformers loads no model of it \(ValueError\): expected"),
        ("cut short", r"no whole safetensors file"),
        ("pickled", r"no safetensors: save the model with save_pretrained"),
    ],
)
def test_a_base_without_all_of_its_weights_is_refused(
    how: str, said: str, hub_checkpoint: Path, official_data: Path, tmp_path: Path
) -> None:
    """Its encoder would be drawn anew, and learnt with as if it knew something."""
    base = Path(shutil.copytree(hub_checkpoint, tmp_path / "base"))
    spoil(base, how)
    recipe = Recipe.model_validate(
        {"output": tmp_path, "base_encoder": str(base), "languages": ["es"], "label_groups": [[DISEASE]]}
    )
    pretraining = PretrainingRecipe.model_validate(
        {"output": tmp_path, "base_encoder": str(base), "vocabulary": None, "texts": {"train": {"es": 1}}}
    )
    with pytest.raises(CardioNerError, match=said):
        build_model(recipe, [], official_data)
    with pytest.raises(CardioNerError, match=f"{said}|transformers loads no model"):
        start_encoder(pretraining, data=official_data)


def test_masking_without_a_mask_token_is_refused(official_data: Path, tmp_path: Path) -> None:
    """Nothing would be hidden, and the manifest would say that it was."""
    recipe = recipe_of(tmp_path, tiny_distilbert(), token_masking=0.15)
    file = tmp_path / "base" / "tokenizer_config.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({key: value for key, value in settings.items() if key != "mask_token"}))
    with pytest.raises(ConfigError, match=r"token_masking 0\.15: the tokenizer of base_encoder .* has no mask token"):
        build_model(recipe, [], official_data)
    build_model(recipe.model_copy(update={"token_masking": 0.0}), [], official_data)
