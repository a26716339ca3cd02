"""Settings: what a run may be told, checked before Spark reads a row. `conf/annotate.yaml` shows them all.

Contract: unknown keys and illegal values raise ConfigError that names the key, what was expected and what came.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field, field_validator, model_validator

from cardio_ner.checkpoint import Checkpoint
from cardio_ner.config import checked, read_values
from cardio_ner.language import fold_language
from cardio_ner.spark.formats import RESERVED
from cardio_ner.spark.schema import DOCUMENTS

InputFormat = Literal["auto", "parquet", "jsonl", "csv", "text", "brat", "fhir"]
PRESETS: dict[str, dict[str, Any]] = {
    "omop-note": {"id_column": "note_id", "text_column": "note_text", "language_column": "language_concept_id"},
    "fhir": {"input_format": "fhir"},
}
"""What `preset` stands for; options win over it, and so does what a file says other than the defaults, which a copy of
conf/annotate.yaml spells out."""
_WORKING_COLUMNS = {"text", "spans", "known", "annotation"}
"""Names of a row between its reading and the tables, beside those of the documents table."""
SMALL_FAILURES = 10
"""Failures that a share always allows: 1 of 3 documents is no sign of a run that goes wrong."""
_NOT_IN_DIGEST = {
    "device", "precision", "max_tokens_per_batch", "checkpoints", "preset",
    "skip_unchanged", "max_failures", "batch_bytes", "file_bytes", "table_chunks",
}  # fmt: skip


class Settings(BaseModel):
    """One run of the job."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input_format: InputFormat = "auto"
    """How to read the input; `auto` goes by the file names."""
    preset: Literal["omop-note", "fhir"] | None = None
    """Columns and format of a common data model: OMOP CDM 5.4's NOTE table, FHIR R4 DocumentReference as NDJSON."""
    encoding: str | None = None
    """Character encoding of files that are not UTF-8, such as ISO-8859-1 or windows-1252. Without it bytes that are not
    UTF-8 are `invalid_encoding`."""
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
    skip_unchanged: bool = True
    """Mark a document `unchanged`, and do not tag it, where the tables have the same text under the same id, language
    and checkpoint."""
    max_failures: str = "10%"
    """Stop before committing a batch with more `failed` documents than this: a number, or a share of the batch's rows
    (then ten are always allowed)."""
    batch_bytes: ByteSize = Field(ByteSize(4 * 1024**3), ge=1)
    """Input files are taken in batches of at most this size, or one larger file. What was done survives a crash batch
    by batch."""
    table_chunks: int = Field(8, ge=1)
    """Batches in which a table that cannot be streamed is read."""
    file_bytes: ByteSize = Field(ByteSize(128 * 1024**2), ge=1024)
    """Size that the tables' files aim at."""
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:[0-9]+)?)$")
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    max_tokens_per_batch: int | None = Field(None, ge=128)
    """Tokens that the encoder computes at once; None is what the device has use for."""

    @model_validator(mode="before")
    @classmethod
    def _preset_stands_below_what_is_told(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        preset = values.get("preset")
        return (PRESETS.get(preset, {}) if isinstance(preset, str) else {}) | values

    @model_validator(mode="after")
    def _language_has_a_checkpoint(self) -> Settings:
        if self.language is not None and fold_language(self.language) not in self.checkpoints:
            raise ValueError(
                f"language {self.language!r} has no checkpoint, so every record would be rejected: expected one of "
                f"{', '.join(sorted(self.checkpoints))}, or a checkpoint for it"
            )
        return self

    @field_validator("keep")
    @classmethod
    def _keep_has_names_of_its_own(cls, keep: tuple[str, ...]) -> tuple[str, ...]:
        names = [name.casefold() for name in keep]  # Spark tells no Text from text
        taken = sorted({*names} & {*DOCUMENTS.names, *_WORKING_COLUMNS, *RESERVED})
        if taken:
            raise ValueError(f"the job has columns of these names itself: {', '.join(taken)}: rename them in a view")
        if len(set(names)) < len(names):
            raise ValueError("expected each column once")
        return keep

    @field_validator("id_column", "text_column", "language_column")
    @classmethod
    def _column_is_not_reserved(cls, name: str | None) -> str | None:
        if name is not None and name.casefold() in RESERVED:
            raise ValueError("the job uses this name itself: rename the column in a view")
        return name

    @field_validator("checkpoints")
    @classmethod
    def _checkpoints_are_named_by_folded_codes(cls, checkpoints: dict[str, str]) -> dict[str, str]:
        if never := [code for code in checkpoints if fold_language(code) != code]:
            raise ValueError(f"no row is ever in {', '.join(map(repr, never))}: expected codes such as es")
        return checkpoints

    @field_validator("max_failures", mode="before")
    @classmethod
    def _max_failures_is_a_number_or_a_share(cls, value: Any) -> str:
        text = str(value).strip()
        if not re.fullmatch(r"\d+|\d+(\.\d+)?%", text) or (text.endswith("%") and float(text[:-1]) > 100):  # noqa: PLR2004
            raise ValueError("expected a number of documents such as 100, or a share of a batch such as 5%")
        return text

    def failures_allowed(self, n_rows: int) -> int:
        """How many of a batch's rows may fail."""
        if not self.max_failures.endswith("%"):
            return int(self.max_failures)
        return max(SMALL_FAILURES, int(n_rows * float(self.max_failures[:-1]) / 100))

    def files_allowed(self, n_files: int, *, not_theirs: bool = False) -> int:
        """How many of a batch's files may be unreadable: as of rows, but not all of several, unless all rows may fail.
        The cause is not in the files then: credentials that have expired, a store that is down; where the errors say so
        themselves (`not_theirs`), not the only one either."""
        if self.max_failures.endswith("%") and float(self.max_failures[:-1]) == 100:  # noqa: PLR2004  percent
            return n_files
        return min(self.failures_allowed(n_files), max(0 if not_theirs else 1, n_files - 1))


class Model(BaseModel):
    """A checkpoint as the driver saw it: where it lies, and which one it is."""

    model_config = ConfigDict(frozen=True)

    name: str
    model_id: str


def read_settings(path: Path | None, overrides: dict[str, Any]) -> Settings:
    """The settings of a YAML file (or the defaults), with those of the command line on top."""
    values = read_values(path, example="conf/annotate.yaml")
    preset = overrides.get("preset", values.get("preset"))
    stands_for = PRESETS.get(preset, {}) if isinstance(preset, str) else {}
    for key in stands_for:
        if key in values and values[key] == Settings.model_fields[key].default:
            del values[key]
    return checked(path, Settings, values, overrides)


def open_models(settings: Settings) -> dict[str, Model]:
    """Check every checkpoint on the driver (no weights are loaded) and say which it is."""
    return {
        language: Model(name=name, model_id=Checkpoint.open(name).model_id)
        for language, name in settings.checkpoints.items()
    }


def stream_of(input_name: str, settings: Settings, models: dict[str, Model]) -> str:
    """12 hexadecimal digits: the same input, checkpoints and settings (but for speed and limits), the same stream."""
    ids = {language: model.model_id for language, model in models.items()}
    told = settings.model_dump(mode="json", exclude=_NOT_IN_DIGEST)
    if settings.preset == "omop-note":  # its language column holds concepts
        told["preset"] = settings.preset
    return digest_of([input_name, told, ids])


def family_of(input_name: str, settings: Settings) -> str:
    """12 hexadecimal digits: the same input, identifiers and texts, the same family, whatever the checkpoints and
    languages. Of the streams of a family the last one to read a record has the say."""
    return digest_of([input_name, settings.id_column, settings.text_column])


def digest_of(value: Any) -> str:
    """12 hexadecimal digits of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
