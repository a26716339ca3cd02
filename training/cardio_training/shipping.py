"""A trained checkpoint → package data: copied, checked for size, and given its model card.

Contract: the card is written from the manifest alone, so that the two cannot disagree.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from cardio_ner.checkpoint import MANIFEST, WEIGHTS, Checkpoint
from cardio_ner.errors import ConfigError

MAX_WEIGHTS_BYTES = 31_000_000
FILES = (WEIGHTS, "config.json", "tokenizer.json", "tokenizer_config.json", MANIFEST)
NAMES = {"es": "Spanish", "en": "English", "it": "Italian"}
EXAMPLES = {
    "es": "Estenosis aórtica; toma bisoprolol.",
    "en": "Started on bisoprolol and apixaban.",
    "it": "In terapia con bisoprololo e apixaban.",
}
TEMPLATE = Path(__file__).with_name("model_card.md.jinja")


def ship(source: Path, target: Path, *, recipe_file: str) -> None:
    """Copy the checkpoint's files to `target` and write its README.md. Raises ConfigError if it is too large."""
    checkpoint = Checkpoint.open(source)
    size = (source / WEIGHTS).stat().st_size
    if size > MAX_WEIGHTS_BYTES:
        raise ConfigError(
            f"{source}: {size} bytes of weights: expected at most {MAX_WEIGHTS_BYTES}; trim the vocabulary"
        )
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(source / name, target / name)
    (target / "README.md").write_text(model_card(checkpoint, recipe_file=recipe_file), encoding="utf-8")


def model_card(checkpoint: Checkpoint, *, recipe_file: str) -> str:
    """The model card of a checkpoint, in Markdown with the hub's YAML header."""
    manifest = checkpoint.manifest
    size = (checkpoint.folder / WEIGHTS).stat().st_size
    config = json.loads((checkpoint.folder / "config.json").read_text(encoding="utf-8"))
    template = Environment(undefined=StrictUndefined, keep_trailing_newline=True).from_string(
        TEMPLATE.read_text(encoding="utf-8")
    )
    return template.render(
        manifest=manifest.model_dump(mode="json"),
        types=checkpoint.scheme.entity_types,
        names=[NAMES[language] for language in manifest.languages],
        example=EXAMPLES[manifest.languages[0]],
        size_mb=f"{size / 1e6:.1f}",
        parameters_m=f"{size / 2e6:.1f}",
        vocabulary=config["vocab_size"],
        recipe_file=recipe_file,
    )
