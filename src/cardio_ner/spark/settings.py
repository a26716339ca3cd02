"""Settings: what a run may be told, checked before Spark reads a row. `conf/annotate.yaml` shows them all.

Contract: unknown keys and illegal values raise ConfigError that names the key, what was expected and what came.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cardio_ner.checkpoint import Checkpoint
from cardio_ner.config import read_config

InputFormat = Literal["auto", "parquet", "jsonl", "csv", "text", "brat"]


class Settings(BaseModel):
    """One run of the job."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: InputFormat = "auto"
    """How to read the input; `auto` goes by the file names."""
    id_column: str = "doc_id"
    text_column: str = "text"
    language_column: str | None = "language"
    """Column with language codes; rows without one are detected. A column that is absent is no error."""
    language: str | None = None
    """Language of every row, whatever its column says."""
    keep: tuple[str, ...] = ()
    """Input columns that the documents table carries along."""
    checkpoints: dict[str, str] = Field(
        default={code: f"package:cardio_ner/models/{code}" for code in ("es", "en", "it")}, min_length=1
    )
    """Language code → checkpoint: a folder, `package:name/folder`, or a hub name. Other languages are rejected."""
    device: str = "auto"
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    max_tokens_per_batch: int = Field(4096, ge=128)


class Model(BaseModel):
    """A checkpoint as the driver saw it: where it lies, and which one it is."""

    model_config = ConfigDict(frozen=True)

    name: str
    model_id: str


def read_settings(path: Path | None, overrides: dict[str, Any]) -> Settings:
    """The settings of a YAML file (or the defaults), with those of the command line on top."""
    return read_config(path, Settings, overrides, example="conf/annotate.yaml")


def open_models(settings: Settings) -> dict[str, Model]:
    """Check every checkpoint on the driver (no weights are loaded) and say which it is."""
    return {
        language: Model(name=name, model_id=Checkpoint.open(name).model_id)
        for language, name in settings.checkpoints.items()
    }


def batch_id_of(input_path: str, settings: Settings, models: dict[str, Model], number: int = 0) -> str:
    """`b<digest of input, checkpoints and settings>-<number>`: the same run replaces its batch, another adds one.

    The letter keeps Spark and DuckDB from reading a partition value such as `12345678` back as a number.
    """
    ids = {language: model.model_id for language, model in models.items()}
    told = settings.model_dump(mode="json", exclude={"device", "precision", "max_tokens_per_batch", "checkpoints"})
    digest = hashlib.sha256(json.dumps([input_path, told, ids], sort_keys=True).encode()).hexdigest()[:12]
    return f"b{digest}-{number}"
