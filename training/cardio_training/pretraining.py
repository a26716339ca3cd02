"""One pre-training run: recipe in, encoder out. Resumes at the step where a killed run last saved.

Contract: `pretrain(recipe)` leaves `output/encoder` (fp16 safetensors with the head for masked words, tokenizer,
`pretraining.json`) and `output/history.json`, the curves: loss on what is learnt, and per language the loss and the
accuracy of hidden words in held-out texts. `start_encoder(recipe)` is its first step alone: vocabulary and carry-over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import get_last_checkpoint
from transformers.utils import logging as transformers_logging

from cardio_ner.checkpoint import resolve_model
from cardio_ner.corpus.multicardioner import data_folder
from cardio_ner.encoder import choose_device, choose_dtype, wrap_tokenizer
from cardio_ner.errors import ConfigError
from cardio_training.carryover import carry_over
from cardio_training.dataset import IGNORED
from cardio_training.masking import MaskingCollator, RowsInOrder, word_starts
from cardio_training.packing import PackedTexts, pack_texts
from cardio_training.pretraining_recipe import PretrainingRecipe, VocabularyRecipe
from cardio_training.run import git_commit
from cardio_training.texts import sources_of, weighted_texts
from cardio_training.vocabulary import learn_vocabulary

MANIFEST = "pretraining.json"
STEPS_PER_LOG = 20


def start_encoder(recipe: PretrainingRecipe, *, data: Path | None = None) -> Path:
    """Learn the vocabulary and carry the base encoder over, once: the folder `output/start`."""
    folder = recipe.output / "start"
    if (folder / MANIFEST).exists():
        return folder
    set_seed(recipe.seed)
    base = resolve_model(recipe.base_encoder)
    tokenizer = _fast_tokenizer(base)
    with _no_load_report():
        model = AutoModelForMaskedLM.from_pretrained(base, dtype=torch.float32, use_safetensors=True)
    counts: dict[str, int] = {}
    if recipe.vocabulary is not None:
        learnt = _learn(recipe, recipe.vocabulary, data_folder(data))
        counts = asdict(carry_over(model, tokenizer, learnt, seed=recipe.seed))
        tokenizer = learnt
    tokenizer.model_max_length = model.config.max_position_embeddings
    return _save(folder, model, tokenizer, {"recipe": recipe.model_dump(mode="json"), "pieces": counts})


def pretrain(recipe: PretrainingRecipe, *, data: Path | None = None) -> Path:
    """Run the recipe (or go on with it) and return the encoder's folder."""
    data = data_folder(data)
    start = start_encoder(recipe, data=data)
    set_seed(recipe.seed)
    tokenizer = _fast_tokenizer(start)
    texts = pack_texts(recipe, tokenizer, data, recipe.output / "tokens")
    model = AutoModelForMaskedLM.from_pretrained(
        start,
        dtype=torch.float32,
        attn_implementation="eager",
        attention_probs_dropout_prob=0.0,
        hidden_dropout_prob=0.0,
    )
    trainer = _trainer(recipe, model, tokenizer, texts)
    state = recipe.output / "trainer"
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(state)) if state.is_dir() else None)
    history = trainer.state.log_history
    (recipe.output / "history.json").write_text(json.dumps(history, indent=1), encoding="utf-8")
    facts = manifest(recipe, texts, trainer.state.global_step, trainer.evaluate())
    return _save(recipe.output / "encoder", trainer.model, tokenizer, facts)


class MaskedWordTrainer(Trainer):
    """Trainer whose output layer sees the hidden tokens alone: a quarter of them, so a quarter of its cost."""

    def __init__(self, *, held_out: dict[str, RowsInOrder], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.held_out = held_out
        self.model_accepts_loss_kwargs = False

    def compute_loss(self, model: Any, inputs: dict[str, torch.Tensor], *_: Any, **__: Any) -> torch.Tensor:
        """Mean cross-entropy over the hidden tokens of `input_ids` and `labels` [B, T]."""
        with self.accelerator.autocast():  # Trainer's own covers model.forward alone
            logits_NV, labels_N = hidden_logits(model, inputs)
        return cross_entropy(logits_NV.float(), labels_N)

    def evaluate(self, *_: Any, metric_key_prefix: str = "eval", **__: Any) -> dict[str, float]:
        """Loss (nats) and accuracy of hidden tokens, per language, logged and given to the callbacks."""
        metrics: dict[str, float] = {}
        model = self.accelerator.unwrap_model(self.model).eval()
        for language, rows in self.held_out.items():
            loss, right, count = 0.0, 0, 0
            for inputs in self.get_test_dataloader(rows):
                with torch.inference_mode(), self.accelerator.autocast():
                    logits_NV, labels_N = hidden_logits(model, self._prepare_inputs(inputs))
                loss += float(cross_entropy(logits_NV.float(), labels_N, reduction="sum"))
                right += int((logits_NV.argmax(-1) == labels_N).sum())
                count += len(labels_N)
            metrics[f"{metric_key_prefix}_{language}_loss"] = loss / count
            metrics[f"{metric_key_prefix}_{language}_accuracy"] = right / count
        model.train()
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def hidden_logits(model: Any, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """(logits [N, V], labels [N]) of the N hidden tokens of a batch without padding."""
    at = (inputs["labels"].flatten() != IGNORED).nonzero()[:, 0]
    hidden_BTD = model.base_model(input_ids=inputs["input_ids"]).last_hidden_state
    head = model.cls if hasattr(model, "cls") else model.lm_head  # BERT's name, and that of RoBERTa and MPNet
    return head(hidden_BTD.flatten(0, 1)[at]), inputs["labels"].flatten()[at]


class KeepEncoders(TrainerCallback):
    """Saves the encoder of certain moments of the run beside the last one."""

    def __init__(self, folders: dict[int, Path], tokenizer: PreTrainedTokenizerFast, facts: dict[str, Any]) -> None:
        self.folders, self.tokenizer, self.facts = folders, tokenizer, facts

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:  # noqa: ARG002
        """Save where this step is one of them."""
        if state.global_step in self.folders:
            copied = AutoModelForMaskedLM.from_config(model.config)
            copied.load_state_dict(model.state_dict())
            _save(self.folders[state.global_step], copied, self.tokenizer, {**self.facts, "step": state.global_step})


def manifest(recipe: PretrainingRecipe, texts: PackedTexts, step: int, scores: dict[str, float]) -> dict[str, Any]:
    """What an encoder was made from: recipe, texts by digest and rows, steps, scores."""
    return {
        "recipe": recipe.model_dump(mode="json"),
        "texts": {"sha256": texts.digest, "regions": [asdict(region) for region in texts.regions]},
        "step": step,
        "tokens": step * recipe.batch_tokens,
        "held_out": scores,
        "git_commit": git_commit(),
        "licence": recipe.licence,
    }


def _trainer(
    recipe: PretrainingRecipe, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: PackedTexts
) -> MaskedWordTrainer:
    wrapped = wrap_tokenizer(tokenizer)
    collator = MaskingCollator(
        wrapped.prefix_ids,
        wrapped.suffix_ids,
        int(tokenizer.mask_token_id),
        tuple(tokenizer.all_special_ids),
        word_starts(tokenizer),
        recipe.masking,
        recipe.seed,
    )
    kept = {
        max(1, round(share * recipe.steps)): recipe.output / f"encoder-{round(100 * share)}" for share in recipe.keep_at
    }
    held_out = {code: RowsInOrder.held_out(texts, code, recipe.held_out_rows) for code in texts.languages()}
    return MaskedWordTrainer(
        held_out=held_out,
        model=model,
        args=_arguments(recipe),
        train_dataset=RowsInOrder.plan(texts, recipe.steps * recipe.batch_rows, recipe.seed),
        eval_dataset=next(iter(held_out.values())),
        data_collator=collator,
        callbacks=[KeepEncoders(kept, tokenizer, manifest(recipe, texts, 0, {}))],
    )


def _arguments(recipe: PretrainingRecipe) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(recipe.output / "trainer"),
        max_steps=recipe.steps,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="warmup_stable_decay",
        lr_scheduler_kwargs={"num_decay_steps": round(recipe.decay_share * recipe.steps), "decay_type": "linear"},
        warmup_steps=round(recipe.warmup_share * recipe.steps),
        weight_decay=recipe.weight_decay,
        per_device_train_batch_size=recipe.batch_rows,
        per_device_eval_batch_size=recipe.batch_rows,
        train_sampling_strategy="sequential",
        optim="adamw_torch_fused",
        use_cpu=not torch.cuda.is_available(),
        bf16=choose_dtype("auto", choose_device()) == torch.bfloat16,
        eval_strategy="steps",
        eval_on_start=True,
        eval_steps=max(1, recipe.score_every_tokens // recipe.batch_tokens),
        save_steps=max(1, recipe.save_every_tokens // recipe.batch_tokens),
        save_total_limit=2,
        logging_steps=STEPS_PER_LOG,
        seed=recipe.seed,
        report_to=[],
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
    )


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


def _fast_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ConfigError(f"base_encoder {folder}: no fast tokenizer: expected a folder with tokenizer.json")
    return tokenizer


def _save(folder: Path, model: Any, tokenizer: PreTrainedTokenizerFast, facts: dict[str, Any]) -> Path:
    """Write the encoder as fp16 safetensors, its manifest last: a folder that has one is whole."""
    model.to(torch.float16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / MANIFEST).write_text(json.dumps(facts, indent=1), encoding="utf-8")
    return folder
