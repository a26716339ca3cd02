"""A checkpoint whose encoder costs next to nothing, so that all the rest of the job can be measured at size.

Contract: tokenizer, window, label groups and manifest are those of the Spanish checkpoint that ships; the encoder is a
BERT of two layers and 32 dimensions with random weights, which finds about as many mentions as the shipped one does.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from transformers import BertConfig, BertForTokenClassification

from cardio_ner.checkpoint import MANIFEST, packaged_model

SEED = 4
OUTSIDE_BIAS = 5.0
"""What each group's O is ahead by: it decides how many mentions are found."""


def write_tiny_checkpoint(folder: Path) -> Path:
    """Make the checkpoint in a folder."""
    shipped = packaged_model("es")
    shutil.copytree(shipped, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    config = BertConfig.from_pretrained(shipped)
    config.update(
        {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_attention_heads": 2,
            "num_hidden_layers": 2,
            "initializer_range": 0.3,
        }
    )
    torch.manual_seed(SEED)
    model = BertForTokenClassification(config)
    torch.nn.init.normal_(model.classifier.weight, std=0.5)
    with torch.no_grad():
        labels = [label for _, label in sorted((config.id2label or {}).items())]
        model.classifier.bias.copy_(torch.tensor([OUTSIDE_BIAS * label.startswith("O") for label in labels]))
    model.save_pretrained(folder)
    assert (folder / MANIFEST).is_file()
    return folder
