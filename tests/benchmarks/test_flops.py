"""The count of operations beside torch's own counter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForTokenClassification

from candidates.flops import EncoderShape


@pytest.mark.parametrize(("n_rows", "width"), [(1, 16), (3, 64)])
def test_a_forward_pass_has_as_many_operations_as_torch_counts(
    two_group_checkpoint: Path, one_thread: None, n_rows: int, width: int
) -> None:
    model = AutoModelForTokenClassification.from_pretrained(two_group_checkpoint, attn_implementation="eager").eval()
    shape = EncoderShape.of(json.loads((two_group_checkpoint / "config.json").read_text(encoding="utf-8")))
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(input_ids=torch.ones(n_rows, width, dtype=torch.int64))
    assert counter.get_total_flops() == n_rows * width * shape.flops_per_token(width)
