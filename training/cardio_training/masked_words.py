"""transformers.Trainer for masked words: the output layer sees hidden tokens alone, and scores are per language.

Contract: one device; batches without padding; a BERT or MPNet with its head for masked words.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy, pad
from transformers import AutoModelForMaskedLM, PreTrainedModel, Trainer, TrainerCallback

from cardio_training.curves import pretraining_panels
from cardio_training.dataset import IGNORED
from cardio_training.masking import RowsInOrder
from cardio_training.pictures import keep_curves

HIDDEN_STEP = 256
"""Hidden tokens of a batch are filled up to a multiple: where each step asks for logits of another size (200 MB), freed
ones do not fit the next, and a process grows by gigabytes."""


class MaskedWordTrainer(Trainer):
    """Computes a quarter of the output layer where a quarter of the words is hidden."""

    def __init__(self, *, held_out: dict[str, RowsInOrder], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.held_out = held_out
        self.model_accepts_loss_kwargs = False

    def compute_loss(self, model: Any, inputs: dict[str, torch.Tensor], *_: Any, **__: Any) -> torch.Tensor:
        """Mean cross-entropy over the hidden tokens of `input_ids` and `labels` [B, T]."""
        with self.accelerator.autocast():  # Trainer's own covers model.forward alone
            logits_NV, labels_N = hidden_logits(model, inputs)
        return cross_entropy(logits_NV.float(), labels_N, ignore_index=IGNORED)

    def evaluate(self, *_: Any, metric_key_prefix: str = "eval", **__: Any) -> dict[str, float]:
        """Loss (nats) and accuracy of hidden tokens, per language, logged and given to the callbacks."""
        metrics: dict[str, float] = {}
        model = self.accelerator.unwrap_model(self.model).eval()
        for language, rows in self.held_out.items():
            loss, right, count = 0.0, 0, 0
            for inputs in self.get_test_dataloader(rows):
                with torch.inference_mode(), self.accelerator.autocast(), _as_it_is():
                    logits_NV, labels_N = hidden_logits(model, self._prepare_inputs(inputs))
                loss += float(cross_entropy(logits_NV.float(), labels_N, ignore_index=IGNORED, reduction="sum"))
                right += int((logits_NV.argmax(-1) == labels_N).sum())
                count += int((labels_N != IGNORED).sum())
            metrics[f"{metric_key_prefix}_{language}_loss"] = loss / count
            metrics[f"{metric_key_prefix}_{language}_accuracy"] = right / count
        model.train()
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def _as_it_is() -> Any:
    """Compiled layers compute uncompiled: rows to score come in other numbers, and each would be compiled anew."""
    return torch.compiler.set_stance("force_eager")


def hidden_logits(model: Any, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """(logits [N, V], labels [N]) of the hidden tokens of a batch without padding; the last few labels are IGNORED."""
    labels = inputs["labels"].flatten()
    at = (labels != IGNORED).nonzero()[:, 0]
    idle = -len(at) % HIDDEN_STEP
    hidden_BTD = model.base_model(input_ids=inputs["input_ids"]).last_hidden_state
    head = model.cls if hasattr(model, "cls") else model.lm_head
    logits_NV = head(hidden_BTD.flatten(0, 1)[pad(at, (0, idle))])
    return logits_NV, pad(labels[at], (0, idle), value=IGNORED)


class KeepCurves(TrainerCallback):
    """Writes the run's history and picture whenever it is scored: a run that is stopped has its curves too."""

    def __init__(self, folder: Path, title: str) -> None:
        self.folder, self.title = folder, title

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Write all that was logged so far."""
        keep_curves(self.folder, state.log_history, pretraining_panels(state.log_history), title=self.title)


class KeepEncoders(TrainerCallback):
    """Hands a copy of the model to `save` at certain steps of the run."""

    def __init__(self, folders: dict[int, Path], save: Callable[[Path, PreTrainedModel, int], object]) -> None:
        self.folders, self.save = folders, save

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:  # noqa: ARG002
        """Save where this step is one of them."""
        if state.global_step in self.folders:
            copied = AutoModelForMaskedLM.from_config(model.config)
            copied.load_state_dict(model.state_dict())
            self.save(self.folders[state.global_step], copied, state.global_step)
