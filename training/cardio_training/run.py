"""One training run: recipe in, checkpoint with manifest out. Goes on where a killed run stopped, with the same draws.

Contract: `train(recipe)` leaves `output/checkpoint` (fp16 safetensors, tokenizer, cardio_ner.json with what was read
and the scores of the fold held out), `output/history.json` and its picture, `output/curves.svg` (a run of no epochs
learns nothing and has none). A fold that the base or a teacher has learnt is refused before anything is trained, and so
is going on in a folder that another recipe began. A run that has ended is left as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast, TrainingArguments, set_seed

from cardio_ner.checkpoint import MANIFEST, Checkpoint, Manifest
from cardio_ner.corpus.multicardioner import data_folder, read_multicardioner
from cardio_ner.document import Document
from cardio_ner.encoder import choose_device, choose_dtype, wrap_tokenizer
from cardio_ner.tokenization import DocumentTokenizer
from cardio_training.acceleration import accelerate, check_one_gpu, loader_arguments
from cardio_training.building import build_model
from cardio_training.curves import HISTORY, training_panels
from cardio_training.dataset import Collator, EncodingReport, Example, WindowDataset
from cardio_training.judging import score_checkpoint
from cardio_training.merging import average_into, last_epochs
from cardio_training.pictures import keep_curves
from cardio_training.provenance import check_fold_is_unseen, training_data_of
from cardio_training.recipe import Recipe
from cardio_training.replacement import MentionReplacer
from cardio_training.reporting import check_reporters
from cardio_training.saving import (
    BEGUN,
    check_same_recipe,
    digest_of,
    git_commit,
    keep_recipe,
    last_whole_checkpoint,
    save_fp16,
)
from cardio_training.soft_labels import soft_examples
from cardio_training.splits import Split, check_annotated, check_documents, examples_of
from cardio_training.trainer import NerTrainer, Task
from cardio_training.written import digests_of, written_examples

RUN_KEYS = frozenset(Recipe.model_fields) - {"output", "report_to", "licence"}
"""What decides the weights, or which epoch's are kept."""
VOCABULARY = "the trimmed vocabulary, by the texts that it is counted in,"
TOKENIZER = "the tokenizer of base_encoder"
"""How what has changed is called."""


def train(recipe: Recipe, *, data: Path | None = None) -> Path:
    """Run the recipe (or go on with it) and return the checkpoint's folder."""
    begun = recipe.output / BEGUN
    check_reporters(recipe.report_to)
    check_one_gpu()
    written = digests_of(recipe.written)
    check_same_recipe(recipe, begun, RUN_KEYS, written)
    if _has_ended(recipe):
        return recipe.output / "checkpoint"
    check_fold_is_unseen(recipe)
    set_seed(recipe.seed)
    data = data_folder(data)
    splits = [Split.of(read_multicardioner(data, language), recipe) for language in recipe.languages]
    check_annotated(recipe, splits)
    check_documents(recipe, splits)
    model, tokenizer = build_model(recipe, splits, data)
    read = written | _digests(recipe, tokenizer)
    check_same_recipe(recipe, begun, RUN_KEYS, read)
    report = EncodingReport()
    examples = examples_of(recipe, splits, wrap_tokenizer(tokenizer), report)
    examples += written_examples(recipe, wrap_tokenizer(tokenizer), report)
    examples += soft_examples(recipe, wrap_tokenizer(tokenizer), data)
    trainer = _trainer(recipe, model, tokenizer, examples, splits)
    keep_recipe(recipe, begun, read)
    if recipe.epochs:
        trainer.train(resume_from_checkpoint=last_whole_checkpoint(recipe.output / "trainer"))
        if recipe.averaged_epochs > 1:
            average_into(model, last_epochs(recipe.output / "trainer", recipe.averaged_epochs))
        trainer.check_numbers()
    manifest = _manifest(recipe, splits, report, written)
    texts = {MANIFEST: manifest.model_dump_json(indent=1)}
    folder = save_fp16(recipe.output / "checkpoint", trainer.model, tokenizer, texts)
    if recipe.held_out_fold is not None:
        score_checkpoint(folder, recipe.held_out_fold, data)
    history = trainer.state.log_history
    keep_curves(recipe.output, history, training_panels(history), title=_title(recipe))
    return folder


def _digests(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> dict[str, str]:
    """Of what the recipe names and what the run depends on: another tokenizer, or another teacher in a folder of the
    same name, would go on with what was learnt of the first."""
    teachers = {f"the teacher {teacher}": Checkpoint.open(teacher).model_id for teacher in recipe.teachers}
    return teachers | {VOCABULARY if recipe.vocabulary_pieces else TOKENIZER: digest_of(tokenizer)}


def _has_ended(recipe: Recipe) -> bool:
    """Has the run left everything? (What was done with its checkpoint since, such as calibration, then stays.)"""
    manifest, history = recipe.output / "checkpoint" / MANIFEST, recipe.output / HISTORY
    if not manifest.exists() or not history.exists():
        return False
    told = Checkpoint.open(manifest.parent).manifest
    return told.licence == recipe.licence and (recipe.held_out_fold is None or bool(told.dev_scores))


def _title(recipe: Recipe) -> str:
    """What the run's picture is called."""
    fold = "no fold held out" if recipe.held_out_fold is None else f"fold {recipe.held_out_fold} held out"
    return f"{recipe.output.name}: {', '.join(recipe.languages)}, {fold}"


def _trainer(
    recipe: Recipe,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    examples: Sequence[Example],
    splits: Sequence[Split],
) -> NerTrainer:
    held_out: dict[Task, Sequence[Document]] = {
        (split.corpus.language, name): split.held_out
        for split in splits
        for name in recipe.scheme.entity_types
        if split.held_out and name in split.corpus.annotated
    }
    steps = math.ceil(len(examples) / recipe.batch_windows) * recipe.epochs
    wrapped = wrap_tokenizer(tokenizer)
    return NerTrainer(
        recipe=recipe,
        tokenizer=wrapped,
        held_out=held_out,
        model=accelerate(model, compiled=False),
        args=_arguments(
            recipe,
            warmup_steps=int(recipe.warmup_fraction * steps),
            bf16=choose_dtype("auto", choose_device()) == torch.bfloat16,
            scored=bool(held_out),
        ),
        train_dataset=WindowDataset(examples),
        eval_dataset=WindowDataset([]),
        data_collator=_collator(recipe, wrapped, tokenizer.mask_token_id, examples),
    )


def _arguments(recipe: Recipe, *, warmup_steps: int, bf16: bool, scored: bool) -> TrainingArguments:
    kept_best = scored and recipe.averaged_epochs == 1 and recipe.kept_epoch == "best"
    return TrainingArguments(
        output_dir=str(recipe.output / "trainer"),
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        per_device_train_batch_size=recipe.batch_windows,
        warmup_steps=warmup_steps,
        weight_decay=recipe.weight_decay,
        optim="adamw_torch_fused",
        bf16=bf16,
        eval_strategy="epoch" if scored else "no",
        save_strategy="epoch",
        save_total_limit=max(2, recipe.averaged_epochs),
        load_best_model_at_end=kept_best,
        # With a metric the Trainer keeps the best epoch, in place of one of the last, even where it does not load it.
        metric_for_best_model="strict_f1" if kept_best else None,
        greater_is_better=True if kept_best else None,
        logging_steps=50,
        seed=recipe.seed,
        report_to=list(recipe.report_to),
        remove_unused_columns=False,
        **loader_arguments(),
    )


def _collator(
    recipe: Recipe, tokenizer: DocumentTokenizer, mask_id: int | None, examples: Sequence[Example]
) -> Collator:
    plain = Collator(tokenizer, mask_id, recipe.token_masking, recipe.labelled == "words")
    if not recipe.mention_replacement:
        return plain
    longest = recipe.window_tokens - tokenizer.n_special_tokens
    share = recipe.mention_replacement
    change = MentionReplacer.of(examples, recipe.scheme, share=share, longest=longest)
    return replace(plain, change=change)


def _manifest(recipe: Recipe, splits: Sequence[Split], report: EncodingReport, written: dict[str, str]) -> Manifest:
    """All that is known before the checkpoint is scored."""
    return Manifest(
        languages=recipe.languages,
        label_groups=tuple(group.labels for group in recipe.scheme.groups),
        window_tokens=recipe.window_tokens,
        overlap_tokens=recipe.overlap_tokens,
        boundaries=recipe.boundaries,
        tidied=recipe.tidied,
        base_encoder=recipe.base_encoder,
        training_data=training_data_of(recipe, splits, report, written),
        recipe=recipe.model_dump(mode="json"),
        git_commit=git_commit(),
        licence=recipe.licence,
    )
