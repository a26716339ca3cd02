"""transformers.Trainer with this project's two differences: a loss per label group, and strict F1 as the dev score.

Contract
- Loss: cross-entropy per group, mean over labelled tokens (hard or soft), summed over groups. IGNORED tokens count
  for nothing.
- `evaluate` tags the held-out documents through the same Tagger that the Spark job runs, in the precision that this
  chip would serve, and reports strict F1 per task and `eval_strict_f1`, their mean.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, Trainer

from cardio_ner.document import Document
from cardio_ner.encoder import Encoder, choose_dtype
from cardio_ner.engine.loading import engine_of
from cardio_ner.errors import ConfigError
from cardio_ner.evaluation import strict_score
from cardio_ner.tagger import Tagger
from cardio_ner.tags import TagScheme
from cardio_ner.tokenization import DocumentTokenizer
from cardio_training.dataset import IGNORED
from cardio_training.recipe import Recipe

Task = tuple[str, str]
"""(language, entity type)"""


def grouped_loss(
    logits_BTK: torch.Tensor, labels_BGT: torch.Tensor, scheme: TagScheme, soft_BTK: torch.Tensor | None = None
) -> torch.Tensor:
    """The sum over groups of the mean cross-entropy over tokens with a label, hard or soft; 0 for a group without."""
    total = logits_BTK.new_zeros((), dtype=torch.float32)
    for g, columns in enumerate(scheme.slices):
        labels = labels_BGT[:, g].flatten()
        logits = logits_BTK[..., columns].flatten(0, 1).float()
        count = (labels != IGNORED).sum()
        loss = cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
        if soft_BTK is not None:
            soft = soft_BTK[..., columns].flatten(0, 1)
            count = count + (soft.sum(-1) > 0).sum()
            loss = loss + cross_entropy(logits, soft, reduction="sum")
        total = total + loss / count.clamp(min=1)
    return total


class NerTrainer(Trainer):
    """Trainer over `WindowDataset`, scored on held-out documents per task."""

    def __init__(
        self,
        *,
        recipe: Recipe,
        tokenizer: DocumentTokenizer,
        held_out: Mapping[Task, Sequence[Document]],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.recipe = recipe
        self.document_tokenizer = tokenizer
        self.held_out = held_out
        self.model_accepts_loss_kwargs = False

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,  # noqa: ARG002  the Trainer passes it
    ) -> Any:
        """The grouped loss; with `return_outputs` also the model's outputs."""
        outputs = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
        loss = grouped_loss(outputs.logits, inputs["labels"], self.recipe.scheme, inputs.get("soft"))
        return (loss, outputs) if return_outputs else loss

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """The Trainer's optimizer, each layer with its own learning rate."""
        optimizer: torch.optim.Optimizer = super().create_optimizer(model)
        if self.recipe.layer_decay < 1 and len({group["lr"] for group in optimizer.param_groups}) == 1:
            optimizer.param_groups = layered(
                optimizer.param_groups, cast(torch.nn.Module, self.model), self.recipe.layer_decay
            )
        return optimizer

    def evaluate(self, *_: Any, metric_key_prefix: str = "eval", **__: Any) -> dict[str, float]:
        """Strict F1 per task and its mean, logged and given to the callbacks as Trainer does."""
        scores = self.score()
        metrics = {f"{metric_key_prefix}_{language}_{name}": f1 for (language, name), f1 in scores.items()}
        metrics[f"{metric_key_prefix}_strict_f1"] = sum(scores.values()) / len(scores)
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def score(self) -> dict[Task, float]:
        """Strict F1 of the model as it is now, per task."""
        try:
            return score_tasks(tagger_of(self.model, self.document_tokenizer, self.recipe), self.held_out)
        except FloatingPointError:
            raise _ran_away(self.recipe) from None

    def check_numbers(self) -> None:
        """Raise ConfigError where a weight is no finite number: where no fold is held out, nothing else would tell."""
        if not all(bool(weight.isfinite().all()) for weight in cast(torch.nn.Module, self.model).parameters()):
            raise _ran_away(self.recipe)


def _ran_away(recipe: Recipe) -> ConfigError:
    return ConfigError(
        f"learning_rate {recipe.learning_rate}: the weights are no finite numbers any more: expected a run that "
        "converges; set a smaller learning_rate (if any does this, the files of base_encoder are damaged)"
    )


def layered(groups: Sequence[dict[str, Any]], model: torch.nn.Module, decay: float) -> list[dict[str, Any]]:
    """An optimizer's groups of parameters, split by layer: the head keeps the learning rate, each layer below it has
    `decay` times that of the one above, the embeddings least."""
    depths = {parameter: _depth(name) for name, parameter in model.named_parameters()}
    layers = max(depth for depth in depths.values() if depth is not None)
    split: list[dict[str, Any]] = []
    for group in groups:
        below = [layers + 1 - (layers + 1 if (depth := depths[p]) is None else depth) for p in group["params"]]
        for steps in sorted(set(below)):
            parameters = [p for p, its in zip(group["params"], below, strict=True) if its == steps]
            split.append(group | {"params": parameters, "lr": group["lr"] * decay**steps})
    return split


def _depth(name: str) -> int | None:
    """0 for embeddings and positions that all layers share, from 1 on for layers, None for what stands above them."""
    layer = re.search(r"\blayers?\.(\d+)\.", name)
    return int(layer[1]) + 1 if layer else 0 if re.search("embeddings|relative_attention_bias", name) else None


def score_tasks(tagger: Tagger, held_out: Mapping[Task, Sequence[Document]]) -> dict[Task, float]:
    """Strict F1 per task; each language is tagged once."""
    tagged: dict[str, list[Document]] = {}
    scores = {}
    for (language, entity_type), gold in held_out.items():
        if language not in tagged:
            tagged[language] = list(tagger.tag(gold))
        scores[language, entity_type] = strict_score(gold, tagged[language], entity_type=entity_type).f1
    return scores


def tagger_of(model: Any, tokenizer: DocumentTokenizer, recipe: Recipe) -> Tagger:
    """A Tagger over a copy of a model in training, in serving precision."""
    copied: PreTrainedModel = copy.deepcopy(model).eval()
    copied = copied.to(choose_dtype("auto", copied.device))  # type: ignore[arg-type]
    encoder = Encoder(engine_of(copied, tokenizer.pad_id), tokenizer, recipe.scheme)
    window = recipe.window_tokens, recipe.overlap_tokens
    return Tagger(encoder, "in-training", *window, recipe.boundaries, tidied=recipe.tidied)
