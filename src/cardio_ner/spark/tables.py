"""Where a run's rows go: staging once, then spans, then documents; and how the tables are read back.

    output/_staging/<batch_id>                                  the UDF's output, written once, removed at the end
    output/spans/language=es/entity_type=DISEASE/batch_id=b…    one row per mention
    output/documents/batch_id=b…                                one row per input row, written last

Contract
- A run replaces the partitions of its own batch and touches no other. A batch whose documents are not there yet is not
  finished: `spans_current` does not show it.
- Readers use the declared schema, so a batch without any mention leaves a readable, empty table.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType

from cardio_ner.spark.hadoop import literal, remove, remove_if_empty
from cardio_ner.spark.schema import DOCUMENT_PARTITIONS, DOCUMENTS, SPAN_PARTITIONS, SPANS


def stage(annotated: DataFrame, output: str, batch_id: str) -> DataFrame:
    """Write annotated rows once and return them as read back: nothing downstream runs the model again."""
    path = f"{output}/_staging/{batch_id}"
    annotated.write.mode("overwrite").parquet(path)
    return annotated.sparkSession.read.schema(annotated.schema).parquet(literal(path))


def write_spans(staged: DataFrame, output: str, batch_id: str) -> None:
    """The batch's mentions, its earlier partitions removed first."""
    mention = F.col("mention")
    spans = staged.select("doc_id", "text_sha256", "model_id", "language", F.explode("spans").alias("mention"))
    columns = {
        **{name: mention[name] for name in ("start_offset", "end_offset", "text", "score", "entity_type")},
        "batch_id": F.lit(batch_id),
    }
    remove(staged.sparkSession, f"{literal(output)}/spans/language=*/entity_type=*/batch_id={batch_id}")
    _conform(spans, SPANS, columns).write.mode("append").partitionBy(*SPAN_PARTITIONS).parquet(f"{output}/spans")


def write_documents(staged: DataFrame, output: str, batch_id: str, *, version: str, keep: tuple[str, ...]) -> None:
    """One row per input row, its earlier partition removed first."""
    columns = {
        "n_spans": F.when(F.col("status") == "annotated", F.size("spans")),
        "annotator_version": F.lit(version),
        "annotated_at": F.current_timestamp(),
        "source_batch": F.lit(None),
        "batch_id": F.lit(batch_id),
    }
    remove(staged.sparkSession, f"{literal(output)}/documents/batch_id={batch_id}")
    schema = documents_schema([staged.schema[name] for name in keep])
    frame = _conform(staged, schema, columns)
    frame.write.mode("append").partitionBy(*DOCUMENT_PARTITIONS).parquet(f"{output}/documents")


def remove_staging(spark: SparkSession, output: str, batch_id: str) -> None:
    """Remove the batch's staging; the folder itself goes with the last one."""
    remove(spark, f"{literal(output)}/_staging/{batch_id}")
    remove_if_empty(spark, f"{output}/_staging")


def documents_schema(kept: list[StructField]) -> StructType:
    """The documents table's schema with the columns that the user keeps, before the partition column."""
    return StructType([*DOCUMENTS.fields[:-1], *kept, DOCUMENTS.fields[-1]])


def read_documents(spark: SparkSession, output: str, kept: tuple[StructField, ...] = ()) -> DataFrame:
    """The documents table."""
    return spark.read.schema(documents_schema(list(kept))).parquet(literal(f"{output}/documents"))


def read_spans(spark: SparkSession, output: str) -> DataFrame:
    """The spans table."""
    return spark.read.schema(SPANS).parquet(literal(f"{output}/spans"))


def _conform(frame: DataFrame, schema: StructType, columns: dict[str, Column]) -> DataFrame:
    """A select of exactly the schema's columns, in its order and types; `columns` overrides those of the frame."""
    return frame.select(
        *(columns.get(f.name, F.col(f"`{f.name}`")).cast(f.dataType).alias(f.name) for f in schema.fields)
    )
