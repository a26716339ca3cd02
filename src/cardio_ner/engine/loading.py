"""From a checkpoint's folder to an engine: the packed one from the files themselves, any other through transformers.

Contract
- Safetensors only. Weights that are missing or of another shape, a model that transformers has no token-classification
  head for: CheckpointError.
- transformers is imported where it is needed: its models take longer to import than torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from safetensors import safe_open

from cardio_ner.checkpoint import WEIGHTS, Checkpoint
from cardio_ner.engine.contract import Engine
from cardio_ner.engine.packed import PackedBert, is_packable
from cardio_ner.engine.padded import PaddedModel
from cardio_ner.errors import CheckpointError
from cardio_ner.model_files import read_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def load_engine(checkpoint: Checkpoint, *, device: torch.device, dtype: torch.dtype, pad_id: int) -> Engine:
    """The fastest engine for a checkpoint. Where the files do not say all (defaults left out of config.json, weights in
    several files), transformers reads them, and the model may be packed then."""
    config = read_json(checkpoint.folder / "config.json")
    file = checkpoint.folder / WEIGHTS
    if file.exists():
        with safe_open(file, framework="pt") as weights:
            names = list(weights.keys())
            if is_packable(config, {name: weights.get_slice(name).get_shape() for name in names}):
                return PackedBert.of(config, {name: weights.get_tensor(name).to(device, dtype) for name in names})
    return engine_of(load_model(checkpoint, device=device, dtype=dtype), pad_id)


@torch.inference_mode()
def engine_of(model: PreTrainedModel, pad_id: int) -> Engine:
    """The fastest engine for a model that is in memory."""
    config, weights = model.config.to_dict(), model.state_dict()
    if is_packable(config, {name: weight.shape for name, weight in weights.items()}):
        return PackedBert.of(config, weights)
    return PaddedModel(model, pad_id)


def load_model(checkpoint: Checkpoint, *, device: torch.device, dtype: torch.dtype) -> PreTrainedModel:
    """The checkpoint's transformers model. Raises CheckpointError where it has none, or the weights do not fit."""
    from transformers import AutoModelForTokenClassification

    try:
        with _no_progress_bar():
            model, report = AutoModelForTokenClassification.from_pretrained(
                checkpoint.folder, dtype=dtype, use_safetensors=True, trust_remote_code=False, output_loading_info=True
            )
    except Exception as error:  # what transformers raises for files that it cannot use has many classes
        kind = read_json(checkpoint.folder / "config.json").get("model_type")
        raise CheckpointError(
            f"{checkpoint.folder}: transformers loads no model of it ({type(error).__name__}): expected whole files "
            f"and a model_type with a token-classification head that this transformers knows; it is {kind!r:.60}"
        ) from error
    if report["missing_keys"] or report["mismatched_keys"]:
        raise CheckpointError(
            f"{checkpoint.folder}: the weights lack {sorted(map(str, report['missing_keys']))[:3]} or differ in "
            f"shape at {sorted(map(str, report['mismatched_keys']))[:3]}: expected a token-classification model"
        )
    loaded: PreTrainedModel = model.eval().requires_grad_(False).to(device)
    return loaded


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Loading takes a fraction of a second: no bar in every worker's log; the caller's own choice comes back."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
