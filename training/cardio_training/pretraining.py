"""One pre-training run: recipe in, encoder out. Resumes at the step where a killed run last saved.

Contract
- `pretrain(recipe)` leaves `output/encoder` (fp16 safetensors with the head for masked words, tokenizer,
  `pretraining.json`, `history.json`). `output/history.json` holds the curves as they grow, and `output/curves.svg`
  shows them: the loss on what is learnt, and per language loss and accuracy of hidden words in held-out texts.
- An output folder belongs to one recipe: going on in it with another, or with another tokenizer or other texts,
  raises ConfigError that names what differs.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForMaskedLM, PreTrainedModel, PreTrainedTokenizerFast, TrainingArguments, set_seed

from cardio_ner.corpus.multicardioner import data_folder
from cardio_ner.encoder import choose_device, choose_dtype, wrap_tokenizer
from cardio_training.acceleration import accelerate, attention, check_one_gpu, loader_arguments
from cardio_training.curves import HISTORY
from cardio_training.masked_words import KeepCurves, KeepEncoders, MaskedWordTrainer
from cardio_training.masking import MaskingCollator, RowsInOrder, word_starts
from cardio_training.packing import PackedTexts, pack_texts
from cardio_training.pretraining_recipe import PretrainingRecipe
from cardio_training.reporting import check_reporters
from cardio_training.saving import (
    BEGUN,
    check_same_recipe,
    digest_of,
    fast_tokenizer,
    git_commit,
    keep_recipe,
    last_whole_checkpoint,
    save_fp16,
)
from cardio_training.starting import MANIFEST, START_KEYS, start_encoder

TOKENIZER = "the tokenizer of the start, whose vocabulary is learnt from the texts,"
TEXTS = "what the texts hold"
"""What a run reads, as it is called where it has changed."""
STEPS_PER_LOG = 20
RUN_KEYS = START_KEYS | {
    "held_out_share", "row_tokens", "batch_rows", "tokens", "masking", "learning_rate", "warmup_share", "decay_share",
    "weight_decay",
}  # fmt: skip
"""What decides the weights, beside the texts themselves."""


def pretrain(recipe: PretrainingRecipe, *, data: Path | None = None) -> Path:
    """Run the recipe (or go on with it) and return the encoder's folder."""
    check_reporters(recipe.report_to)
    data = data_folder(data)
    check_one_gpu()
    start = start_encoder(recipe, data=data)
    begun, encoder, state = (recipe.output / name for name in (BEGUN, "encoder", "trainer"))
    check_same_recipe(recipe, begun, RUN_KEYS)
    if (encoder / MANIFEST).exists():
        return encoder
    tokenizer = fast_tokenizer(start)
    read = {TOKENIZER: digest_of(tokenizer)}
    check_same_recipe(recipe, begun, RUN_KEYS, read)
    texts = pack_texts(recipe, tokenizer, data, recipe.output / "tokens")
    read |= {TEXTS: texts.sha256}
    check_same_recipe(recipe, begun, RUN_KEYS, read)
    keep_recipe(recipe, begun, read)
    set_seed(recipe.seed)
    resumed = last_whole_checkpoint(state)
    trainer = _trainer(recipe, _model_to_train(start), tokenizer, texts, score_first=resumed is None)
    trainer.train(resume_from_checkpoint=resumed)
    facts = manifest(recipe, texts, trainer.state.global_step, _last_scores(trainer))
    curves = {HISTORY: json.dumps(trainer.state.log_history, indent=1)}
    return save_fp16(encoder, trainer.model, tokenizer, {MANIFEST: json.dumps(facts, indent=1), **curves})


def manifest(recipe: PretrainingRecipe, texts: PackedTexts, step: int, scores: dict[str, float]) -> dict[str, Any]:
    """What an encoder was made from: recipe, texts by digest and rows, steps, scores."""
    return {
        "recipe": recipe.model_dump(mode="json"),
        "texts": {"sha256": texts.sha256, "regions": [asdict(region) for region in texts.regions]},
        "step": step,
        "tokens": step * recipe.batch_tokens,
        "held_out": scores,
        "git_commit": git_commit(),
        "licence": recipe.licence,
    }


def _model_to_train(start: Path) -> PreTrainedModel:
    """Without dropout: see acceleration.py for the rest."""
    model: PreTrainedModel = AutoModelForMaskedLM.from_pretrained(
        start,
        dtype=torch.float32,
        attn_implementation=attention(),
        attention_probs_dropout_prob=0.0,
        hidden_dropout_prob=0.0,
    )
    return accelerate(model, compiled=True)


def _last_scores(trainer: MaskedWordTrainer) -> dict[str, float]:
    """The scores of the last step."""
    scored = [entry for entry in trainer.state.log_history if any(key.endswith("_accuracy") for key in entry)]
    if not scored or scored[-1]["step"] != trainer.state.global_step:
        return trainer.evaluate()
    return {key: value for key, value in scored[-1].items() if key.startswith("eval_")}


def _trainer(
    recipe: PretrainingRecipe,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    texts: PackedTexts,
    *,
    score_first: bool,
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
    title = f"{recipe.output.name}: masked words, {recipe.tokens:,} tokens"
    held_out = {code: RowsInOrder.held_out(texts, code, recipe.held_out_rows) for code in texts.languages()}

    def keep(folder: Path, copied: PreTrainedModel, step: int) -> None:
        save_fp16(folder, copied, tokenizer, {MANIFEST: json.dumps(manifest(recipe, texts, step, {}), indent=1)})

    kept = {round(share * recipe.steps): recipe.output / f"encoder-{round(100 * share)}" for share in recipe.keep_at}
    return MaskedWordTrainer(
        held_out=held_out,
        model=model,
        args=_arguments(recipe, score_first=score_first),
        train_dataset=RowsInOrder.plan(texts, recipe.steps * recipe.batch_rows, recipe.seed),
        eval_dataset=next(iter(held_out.values())),
        data_collator=collator,
        callbacks=[KeepCurves(recipe.output, title), KeepEncoders(kept, keep)],
    )


def _arguments(recipe: PretrainingRecipe, *, score_first: bool) -> TrainingArguments:
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
        bf16=choose_dtype("auto", choose_device()) == torch.bfloat16,
        eval_strategy="steps",
        eval_on_start=score_first,
        eval_steps=max(1, recipe.score_every_tokens // recipe.batch_tokens),
        save_steps=max(1, recipe.save_every_tokens // recipe.batch_tokens),
        save_total_limit=2,
        logging_steps=STEPS_PER_LOG,
        seed=recipe.seed,
        report_to=list(recipe.report_to),
        remove_unused_columns=False,
        **loader_arguments(),
    )
