"""A trained checkpoint → package data, an encoder → `models/encoder`: copied, checked for size, given its card.

Contract: a card is written from the manifest alone, so that the two cannot disagree.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from cardio_ner.checkpoint import MANIFEST, WEIGHTS, Checkpoint, Manifest
from cardio_ner.errors import ConfigError
from cardio_training.curves import HISTORY
from cardio_training.provenance import files_of, n_teachers, unseen_fold
from cardio_training.saving import write_whole
from cardio_training.starting import MANIFEST as PRETRAINING

MAX_WEIGHTS_BYTES = 35_000_000
MAX_ENCODER_BYTES = 42_000_000
MODEL_FILES = (WEIGHTS, "config.json", "tokenizer.json", "tokenizer_config.json")
FILES = (*MODEL_FILES, MANIFEST)
TWIN_FIELDS = ("languages", "label_groups", "window_tokens", "overlap_tokens", "boundaries", "tidied")
"""What a twin shares with the checkpoint that it speaks for."""
UNLABELLED = {
    "cantemist": "CANTEMIST (CC BY 4.0)",
    "casimedicos": "CasiMedicos (CC BY 4.0)",
    "e3c": "E3C (documents under CC BY)",
    "spg": "SPG synthetic records (CC0)",
}
"""Whom to name for texts that teachers labelled, by the beginning of the file's name."""
ENCODER_FILES = (*MODEL_FILES, PRETRAINING, HISTORY)
NAMES = {"es": "Spanish", "en": "English", "it": "Italian"}
EXAMPLES = {
    "es": "Estenosis aórtica; toma bisoprolol.",
    "en": "Started on bisoprolol and apixaban.",
    "it": "In terapia con bisoprololo e apixaban.",
}
TEMPLATE = Path(__file__).with_name("model_card.md.jinja")
ENCODER_TEMPLATE = Path(__file__).with_name("encoder_card.md.jinja")


def ship(source: Path, target: Path, *, recipe_file: str, twin: Path | None = None, before: Path | None = None) -> None:
    """Copy the checkpoint's files to `target`, which is called by its language, and write its README.md.

    A checkpoint that learnt every document cannot be scored: it gets the scores and temperatures of its twin, which was
    made alike but held a fold out; or, where no twin has had its last stage, those of the checkpoint `before` that
    stage, and the card says so. Raises ConfigError if it is of another language, too large, has no scores, or the twin
    is of another kind.
    """
    checkpoint = Checkpoint.open(source)
    if target.name not in checkpoint.manifest.languages:
        known = ", ".join(checkpoint.manifest.languages) or "no language that it names"
        raise ConfigError(
            f"{source}: trained on {known}, and {target.name} is asked for: expected a checkpoint of that language; "
            "give another --source"
        )
    manifest = checkpoint.manifest
    if twin is not None and before is not None:
        raise ConfigError("--twin and --before: expected at most one: whose scores shall the card have?")
    if twin is not None:
        manifest = _scored_by(checkpoint, Checkpoint.open(twin))
    elif before is not None:
        manifest = _scored_before(checkpoint, Checkpoint.open(before))
    if not manifest.dev_scores.get("strict_f1"):
        raise ConfigError(
            f"{source}: no scores, as of one that learnt every document: expected --twin, made alike but scored"
        )
    card = model_card(replace(checkpoint, manifest=manifest), recipe_file=recipe_file)
    _copy(source, target, MODEL_FILES, MAX_WEIGHTS_BYTES)
    write_whole(target / MANIFEST, manifest.model_dump_json(indent=1))
    write_whole(target / "README.md", card)


def _scored_by(checkpoint: Checkpoint, twin: Checkpoint) -> Manifest:
    """The checkpoint's manifest with what was measured on its twin."""
    fold = unseen_fold([twin.manifest])
    if fold is None or not twin.manifest.dev_scores.get("strict_f1"):
        raise ConfigError(f"{twin.folder}: expected a twin with scores on a fold that it has not learnt")
    for field in TWIN_FIELDS:
        here, there = getattr(checkpoint.manifest, field), getattr(twin.manifest, field)
        if here != there:
            raise ConfigError(f"{twin.folder}: {field} is {there}, and {here} in {checkpoint.folder}: no twin of it")
    kept = twin.manifest.training_data.get("kept_epoch", "best")  # before it was written down, all kept the best
    scores = twin.manifest.dev_scores | {"measured_on": twin.model_id, "held_out_fold": fold, "kept_epoch": kept}
    return checkpoint.manifest.model_copy(update={"dev_scores": scores, "temperatures": twin.manifest.temperatures})


def _scored_before(checkpoint: Checkpoint, before: Checkpoint) -> Manifest:
    """The checkpoint's manifest with the scores and temperatures of what it grew from, be they a twin's or its own."""
    scores, fold = before.manifest.dev_scores, unseen_fold([before.manifest])
    if not scores.get("strict_f1") or ("measured_on" not in scores and fold is None):
        raise ConfigError(f"{before.folder}: expected one with scores on a fold that it or its twin has not learnt")
    if checkpoint.manifest.training_data.get("earlier_stage") != before.manifest.training_data:
        raise ConfigError(f"{before.folder}: {checkpoint.folder} did not grow from it: expected its base_encoder")
    if checkpoint.manifest.label_groups != before.manifest.label_groups:
        raise ConfigError(
            f"{before.folder}: expected the label groups of {checkpoint.folder}: its scores are of others"
        )
    own = {"measured_on": before.model_id, "held_out_fold": fold}
    told = own | scores | {"before_last_stage": before.model_id, "overlap_tokens": before.manifest.overlap_tokens}
    return checkpoint.manifest.model_copy(update={"dev_scores": told, "temperatures": before.manifest.temperatures})


def ship_encoder(source: Path, target: Path) -> None:
    """Copy a finished encoder's files to `target` and write its README.md. Raises ConfigError if it is too large or its
    run has not ended."""
    card = encoder_card(source)
    _copy(source, target, ENCODER_FILES, MAX_ENCODER_BYTES)
    (target / "README.md").write_text(card, encoding="utf-8")


def _copy(source: Path, target: Path, names: tuple[str, ...], max_weights_bytes: int) -> None:
    size = (source / WEIGHTS).stat().st_size
    if size > max_weights_bytes:
        raise ConfigError(
            f"{source}: {size} bytes of weights: expected at most {max_weights_bytes}; use a smaller vocabulary"
        )
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(source / name, target / name)


def encoder_card(folder: Path) -> str:
    """The model card of an encoder's folder. Raises ConfigError where it is none that a run has ended with."""
    file = folder / PRETRAINING
    facts = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if not facts.get("held_out"):
        raise ConfigError(f"{folder}: no scores in {file.name}: expected the encoder folder of a finished run")
    languages = [code for code in NAMES if f"eval_{code}_loss" in facts["held_out"]]
    return _render(
        ENCODER_TEMPLATE, folder, **facts, languages=languages, names=[NAMES[language] for language in languages]
    )


def model_card(checkpoint: Checkpoint, *, recipe_file: str) -> str:
    """The model card of a checkpoint, in Markdown with the hub's YAML header."""
    manifest = checkpoint.manifest
    return _render(
        TEMPLATE,
        checkpoint.folder,
        manifest=manifest.model_dump(mode="json"),
        encoder=_encoder_of(manifest),
        weights=_weights_licence(manifest),
        epoch=_epoch_of(manifest),
        types=checkpoint.scheme.entity_types,
        names=[NAMES[language] for language in manifest.languages],
        example=EXAMPLES[manifest.languages[0]],
        recipe_file=recipe_file,
        unlabelled=_named(files_of(manifest.training_data, "unlabelled")),
        teachers=n_teachers(manifest.training_data),
        written=files_of(manifest.training_data, "written"),
    )


def _weights_licence(manifest: Manifest) -> str:
    """Of the weights alone, as recipes write it: `Apache-2.0 (weights); trained on…`."""
    return manifest.licence.partition(" (weights)")[0] or "not stated"


def _epoch_of(manifest: Manifest) -> str:
    """Which of its epochs a scored twin is of."""
    kept = manifest.dev_scores.get("kept_epoch", "best")
    told = {"best": "at the epoch with the best scores on it", "last": "at the last epoch"}
    return told.get(kept, f"as the {kept} epochs")


def _named(files: list[str]) -> list[str]:
    """The sources of unlabelled texts, each once. Raises ConfigError for one whose licence nobody wrote down."""
    found = []
    for file in files:
        sources = [name for start, name in UNLABELLED.items() if Path(file).name.startswith(start)]
        if not sources:
            raise ConfigError(f"unlabelled {file}: no licence is known of it; add it to UNLABELLED in shipping.py")
        found += sources
    return sorted(set(found))


def _encoder_of(manifest: Manifest) -> str:
    """The encoder that the first stage grew from; before it was kept by stage, all grew from MiniLM."""
    stage = manifest.training_data
    while stage.get("earlier_stage"):
        stage = stage["earlier_stage"]
    return str(stage.get("base_encoder", "all-MiniLM-L6-v2"))


def _render(card: Path, folder: Path, **values: Any) -> str:
    """A card's text, with what the folder's files say of themselves."""
    size = (folder / WEIGHTS).stat().st_size
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    template = Environment(undefined=StrictUndefined, keep_trailing_newline=True).from_string(
        card.read_text(encoding="utf-8")
    )
    return template.render(
        values,
        size_mb=f"{size / 1e6:.1f}",
        parameters_m=f"{size / 2e6:.1f}",
        vocabulary=config["vocab_size"],
    )
