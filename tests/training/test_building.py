"""Encoders of other architectures become models to learn with, or are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import (
    MPNetConfig,
    MPNetForMaskedLM,
    PreTrainedModel,
)

from cardio_ner.document import DISEASE, MEDICATION
from cardio_training.building import build_model
from cardio_training.recipe import Recipe
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
