"""Every schema of the job, declared once: what the UDF returns, and the tables. No session needed.

`end` and `offset` are reserved words in SQL dialects, hence `start_offset` and `end_offset`: half-open, code points.
"""

from __future__ import annotations

from pyspark.sql.types import (
    ArrayType,
    DataType,
    FloatType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)


def _fields(**types: DataType) -> list[StructField]:
    return [StructField(name, data_type) for name, data_type in types.items()]


def quoted(name: str) -> str:
    """A column's name in backticks, as SQL takes any name."""
    return "`" + name.replace("`", "``") + "`"


STRING, INT = StringType(), IntegerType()

MENTION = StructType(_fields(entity_type=STRING, start_offset=INT, end_offset=INT, text=STRING, score=FloatType()))

ANNOTATION = StructType(
    _fields(
        status=STRING,
        reason=STRING,
        error_type=STRING,
        language=STRING,
        language_source=STRING,
        n_tokens=INT,
        spans=ArrayType(MENTION),
    )
)
"""What the UDF returns for one row."""

DOCUMENTS = StructType(
    _fields(
        doc_id=STRING,
        language=STRING,
        language_source=STRING,
        status=STRING,
        reason=STRING,
        error_type=STRING,
        n_chars=INT,
        n_tokens=INT,
        n_spans=INT,
        text_sha256=STRING,
        model_id=STRING,
        annotator_version=STRING,
        annotated_at=TimestampType(),
        source_batch=STRING,
        source_file=STRING,
        source_modified_at=TimestampType(),
        batch_id=STRING,
    )
)
"""One row per input row; the columns that the user keeps stand before `batch_id`, by which it is partitioned.
`source_file` and `source_modified_at` (null for catalog tables) say where a row came from, and which one is newer."""

SPANS = StructType(
    _fields(
        doc_id=STRING,
        text_sha256=STRING,
        start_offset=INT,
        end_offset=INT,
        text=STRING,
        score=FloatType(),
        model_id=STRING,
        language=STRING,
        entity_type=STRING,
        batch_id=STRING,
    )
)
"""One row per mention, partitioned by its last three columns."""

INPUTS = StructType(
    _fields(
        stream=STRING,
        path=STRING,
        n_bytes=LongType(),
        modified_ms=LongType(),
        n_rows=LongType(),
        error_type=STRING,
        read_at=TimestampType(),
        family=STRING,
        languages=STRING,
        batch_id=STRING,
    )
)
"""The ledger: one row per input file (or chunk of a catalog table) and batch, with the rows that an independent reader
counts in it; `error_type` where it could not be read. `stream` tells configurations apart; those of one `family`
read the same records; `languages` are those that were detected among (both null in ledgers of earlier versions)."""

DOCUMENT_PARTITIONS = ["batch_id"]
SPAN_PARTITIONS = ["language", "entity_type", "batch_id"]
