"""From a checkpoint's folder to an engine: the packed one from the files themselves, any other through transformers.

Contract
- Safetensors only. Weights that are missing, of another shape or no finite numbers, a model that transformers has no
  token-classification head for: CheckpointError.
- So are weights that nothing here computes with (a CRF, adapters): without them the model would find something else.
  Those of other tasks, which pre-training leaves in a file, are passed over.
- transformers is imported where it is needed: its models take longer to import than torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import safe_open

from cardio_ner.checkpoint import WEIGHTS, Checkpoint
from cardio_ner.engine.contract import Engine
from cardio_ner.engine.packed import PackedBert, is_packable, weight_shapes
from cardio_ner.engine.padded import PaddedModel
from cardio_ner.errors import CheckpointError
from cardio_ner.model_files import read_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LEFT_OVER = re.compile(
    r"(^|\.)(pooler|position_ids|token_type_ids|inv_freq|masked_bias)(\.|$)"
    r"|^(cls|lm_head|qa_outputs|mlm_head|lm_loss|predictions|sop_classifier|lm_predictions|mask_predictions"
    r"|generator_predictions|generator_lm_head|discriminator_predictions|vocab_transform|vocab_layer_norm"
    r"|vocab_projector|entity_predictions|loss|loss_fct|criterion)\."
)
"""Weights of a token-classification file that take no part: heads of other tasks, the loss's, tables of places."""
NAMES_TOLD = 3


def load_engine(checkpoint: Checkpoint, *, device: torch.device, dtype: torch.dtype, pad_id: int) -> Engine:
    """The fastest engine for a checkpoint. Where the files do not say all (defaults left out of config.json, weights in
    several files), transformers reads them, and the model may be packed then."""
    config = read_json(checkpoint.folder / "config.json")
    file = checkpoint.folder / WEIGHTS
    if file.exists():
        with safe_open(file, framework="pt") as weights:
            names = list(weights.keys())
            if is_packable(config, {name: weights.get_slice(name).get_shape() for name in names}):
                used = weight_shapes(config)
                _check_left_over(checkpoint.folder, set(names) - used.keys())
                loaded = {name: weights.get_tensor(name).to(device, dtype) for name in used}
                _check_finite(checkpoint.folder, loaded)
                return PackedBert.of(config, loaded)
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
    _check_left_over(checkpoint.folder, report["unexpected_keys"])
    _check_finite(checkpoint.folder, dict(model.named_parameters()))
    loaded: PreTrainedModel = model.eval().requires_grad_(False).to(device)
    return loaded


def _check_left_over(folder: Path, names: Iterable[str]) -> None:
    """Raises CheckpointError for a weight that is not used and none of LEFT_OVER."""
    unknown = sorted(name for name in map(str, names) if not LEFT_OVER.search(name))
    if unknown:
        raise CheckpointError(
            f"{folder}: {len(unknown)} weights that nothing here computes with, such as {unknown[:NAMES_TOLD]}: "
            "expected those of a plain token-classification model; use another one or, if they take no part in what it "
            "finds, load it with AutoModelForTokenClassification and save_pretrained it"
        )


@torch.inference_mode()
def _check_finite(folder: Path, weights: Mapping[str, torch.Tensor]) -> None:
    """Raises CheckpointError for a weight with NaN or an infinity, whose sum is none either: one look at the device."""
    names = [name for name, weight in weights.items() if weight.is_floating_point()]
    sums = torch.stack([weights[name].sum(dtype=torch.float32) for name in names]).cpu()
    for name, total in zip(names, sums.tolist(), strict=True):
        if not isfinite(total) and not weights[name].isfinite().all():
            raise CheckpointError(
                f"{folder}: the weight {name} has values that are no finite numbers: expected numbers; the training "
                "diverged or the file is damaged: copy it again, or take an earlier checkpoint"
            )


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
