"""A trained checkpoint → package data, an encoder → `models/encoder`: copied, checked for size, given its card.

Contract: a card is written from the manifest alone, so that the two cannot disagree.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from cardio_ner.checkpoint import MANIFEST, WEIGHTS, Checkpoint, Manifest
from cardio_ner.errors import ConfigError
from cardio_training.pretraining import HISTORY
from cardio_training.starting import MANIFEST as PRETRAINING

MAX_WEIGHTS_BYTES = 35_000_000
MAX_ENCODER_BYTES = 42_000_000
MODEL_FILES = (WEIGHTS, "config.json", "tokenizer.json", "tokenizer_config.json")
FILES = (*MODEL_FILES, MANIFEST)
ENCODER_FILES = (*MODEL_FILES, PRETRAINING, HISTORY)
NAMES = {"es": "Spanish", "en": "English", "it": "Italian"}
EXAMPLES = {
    "es": "Estenosis aórtica; toma bisoprolol.",
    "en": "Started on bisoprolol and apixaban.",
    "it": "In terapia con bisoprololo e apixaban.",
}
TEMPLATE = Path(__file__).with_name("model_card.md.jinja")
ENCODER_TEMPLATE = Path(__file__).with_name("encoder_card.md.jinja")


def ship(source: Path, target: Path, *, recipe_file: str) -> None:
    """Copy the checkpoint's files to `target` and write its README.md. Raises ConfigError if it is too large."""
    checkpoint = Checkpoint.open(source)
    _copy(source, target, FILES, MAX_WEIGHTS_BYTES)
    (target / "README.md").write_text(model_card(checkpoint, recipe_file=recipe_file), encoding="utf-8")


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
        types=checkpoint.scheme.entity_types,
        names=[NAMES[language] for language in manifest.languages],
        example=EXAMPLES[manifest.languages[0]],
        recipe_file=recipe_file,
    )


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
