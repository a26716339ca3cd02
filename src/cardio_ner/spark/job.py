"""What the parts of a run hand to one another: the job that all batches share, the pieces that one of them takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import ArrayType, StructField, StructType

from cardio_ner.spark.account import BatchAccount
from cardio_ner.spark.hadoop import File
from cardio_ner.spark.ledger import detected_among_others
from cardio_ner.spark.progress import Meter
from cardio_ner.spark.schema import DOCUMENTS, MENTION
from cardio_ner.spark.settings import Model, Settings
from cardio_ner.spark.source import Source

_LATER = {"n_spans", "annotator_version", "annotated_at", "batch_id"}


@dataclass(frozen=True)
class Job:
    """What all batches of a run share."""

    spark: SparkSession
    source: Source
    output: str
    settings: Settings
    models: dict[str, Model]
    stream: str
    family: str
    log: Callable[[str], None]
    before_commit: Callable[[], None]
    """Called before anything is put in place; raises if this run must not write any more."""
    meter: Meter
    accounts: list[BatchAccount] = field(default_factory=list)

    @property
    def languages(self) -> str:
        """Those that are detected among: those that have a checkpoint."""
        return " ".join(sorted(self.models))

    @cached_property
    def detects_again(self) -> bool:
        """May a language that the tables have as detected be another one in this run?"""
        return detected_among_others(self.spark, self.output, self.languages)

    @property
    def kept(self) -> list[StructField]:
        """The columns that the user keeps."""
        return [self.source.schema[name] for name in self.settings.keep]

    @property
    def staged(self) -> StructType:
        """A row in staging: the documents table's columns that are known by then, kept columns, the spans."""
        own = [field for field in DOCUMENTS.fields if field.name not in _LATER]
        return StructType([*own, *self.kept, StructField("spans", ArrayType(MENTION))])


@dataclass(frozen=True, slots=True)
class Pieces:
    """The part of the input that a batch takes. `only` (doc_id, text_sha256) restricts each file to `n_only` rows; what
    is `retried` had failed before."""

    files: Sequence[File]
    only: DataFrame | None = None
    n_only: Mapping[str, int] = field(default_factory=dict)
    retried: bool = False
