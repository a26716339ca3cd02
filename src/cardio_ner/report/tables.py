"""The job's tables in DuckDB: no server, no Spark, SQL at once.

Contract: `open_tables(output)` gives a connection with the views `documents`, `spans` and `spans_current`. The globs
name the partition folders, so that files which a writer left half-done elsewhere (`_staging`, `_temporary`,
`.spark-staging-*`) are never read.
"""

from __future__ import annotations

import glob
from importlib.resources import files
from pathlib import Path

import duckdb

from cardio_ner.errors import InputError

DOCUMENT_FILES = "documents/batch_id=*/*.parquet"
SPAN_FILES = "spans/language=*/entity_type=*/batch_id=*/*.parquet"
_SPAN_TYPES = {
    "doc_id": "VARCHAR",
    "text_sha256": "VARCHAR",
    "start_offset": "INTEGER",
    "end_offset": "INTEGER",
    "text": "VARCHAR",
    "score": "FLOAT",
    "model_id": "VARCHAR",
    "language": "VARCHAR",
    "entity_type": "VARCHAR",
    "batch_id": "VARCHAR",
}


def packaged_sql(name: str) -> str:
    """A query that ships, such as `top_mentions`: SQL that Spark and DuckDB both take."""
    return files("cardio_ner").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def open_tables(output: Path) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection over an output folder of the job. Raises InputError where there are no tables."""
    if not any(output.glob(DOCUMENT_FILES)):
        raise InputError(f"{output}: no documents table: expected the --output folder of a finished run")
    connection = duckdb.connect()
    connection.execute(_view("documents", output, DOCUMENT_FILES))
    # A run that found nothing leaves no span file to read a schema from.
    connection.execute(_view("spans", output, SPAN_FILES) if any(output.glob(SPAN_FILES)) else _no_spans())
    connection.execute(packaged_sql("spans_current"))
    return connection


def _no_spans() -> str:
    columns = ", ".join(f"NULL::{kind} AS {name}" for name, kind in _SPAN_TYPES.items())
    return f"CREATE TEMPORARY VIEW spans AS SELECT {columns} WHERE false"


def _view(name: str, output: Path, pattern: str) -> str:
    quoted = f"{glob.escape(str(output))}/{pattern}".replace("'", "''")
    return (
        f"CREATE TEMPORARY VIEW {name} AS SELECT * FROM read_parquet('{quoted}', "
        "hive_partitioning = true, hive_types_autocast = false, union_by_name = true)"
    )
