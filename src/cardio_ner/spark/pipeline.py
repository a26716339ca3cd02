"""One run: rows in, two tables out, and a count of what became of every row.

    read_rows ─► annotation_udf ─► stage ─► write_spans ─► write_documents

Contract: one batch per run, written in the order above; run again after a crash, the batch is written anew. Streaming
(new files only, many batches) will put its `foreachBatch` around `_write_batch`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from cardio_ner.spark.settings import Model, Settings, batch_id_of, open_models
from cardio_ner.spark.source import read_rows
from cardio_ner.spark.tables import remove_staging, stage, write_documents, write_spans
from cardio_ner.spark.udf import annotation_udf

ARROW_RECORDS_PER_BATCH = 256


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run did: rows per outcome (`annotated`, or the reason of a rejection), mentions per (language, type)."""

    batch_id: str
    rows: dict[str, int] = field(default_factory=dict)
    mentions: dict[tuple[str, str], int] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"batch {self.batch_id}: {sum(self.rows.values())} rows"]
        lines += [f"  {count:>8}  {outcome}" for outcome, count in sorted(self.rows.items())]
        lines += [f"  {count:>8}  mentions, {' '.join(key)}" for key, count in sorted(self.mentions.items())]
        return "\n".join(lines)


def annotate(spark: SparkSession, input_path: str, output: str, settings: Settings) -> RunSummary:
    """Annotate everything at `input_path` into the tables under `output`. Raises CardioNerError before any row is
    read where settings, checkpoints or columns are wrong."""
    models = open_models(settings)
    # Many long notes in one Arrow batch would have to fit in a worker's memory together.
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", ARROW_RECORDS_PER_BATCH)
    rows = read_rows(spark, input_path, settings)
    batch_id = batch_id_of(input_path, settings, models)
    return _write_batch(_annotate_rows(rows, settings, models), output.rstrip("/"), batch_id, settings)


def _annotate_rows(rows: DataFrame, settings: Settings, models: dict[str, Model]) -> DataFrame:
    """The rows with the UDF's columns in place of text; what was gated keeps its reason."""
    annotation = annotation_udf(settings, models)(F.col("text"), F.col("language"))
    model_ids = F.create_map(*(F.lit(part) for code, model in models.items() for part in (code, model.model_id)))
    found = F.col("annotation")
    language = F.coalesce(found["language"], F.col("language"))
    return rows.withColumn("annotation", annotation).select(
        "doc_id",
        language.alias("language"),
        found["language_source"].alias("language_source"),
        F.coalesce(found["status"], F.lit("rejected")).alias("status"),
        F.coalesce(F.col("reason"), found["reason"]).alias("reason"),
        found["error_type"].alias("error_type"),
        "n_chars",
        found["n_tokens"].alias("n_tokens"),
        "text_sha256",
        F.when(found["status"] == "annotated", model_ids[language]).alias("model_id"),
        *(F.col(f"`{name}`") for name in settings.keep),
        found["spans"].alias("spans"),
    )


def _write_batch(annotated: DataFrame, output: str, batch_id: str, settings: Settings) -> RunSummary:
    """Staging, spans, documents; then the counts, from staging, and staging is removed."""
    staged = stage(annotated, output, batch_id)
    write_spans(staged, output, batch_id)
    write_documents(staged, output, batch_id, version=version("cardio-ner"), keep=settings.keep)
    summary = RunSummary(batch_id, _count_rows(staged), _count_mentions(staged))
    remove_staging(staged.sparkSession, output, batch_id)
    return summary


def _count_rows(staged: DataFrame) -> dict[str, int]:
    outcome = F.coalesce("reason", "status").alias("outcome")
    return {row["outcome"]: row["count"] for row in staged.groupBy(outcome).count().collect()}


def _count_mentions(staged: DataFrame) -> dict[tuple[str, str], int]:
    mentions = staged.select("language", F.explode("spans.entity_type").alias("entity_type"))
    counted = mentions.groupBy("language", "entity_type").count().collect()
    return {(row["language"], row["entity_type"]): row["count"] for row in counted}
