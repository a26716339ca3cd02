"""The job's tables in DuckDB: no server, no Spark, SQL at once.

Contract: `open_tables(output)` gives a connection with the views `documents`, `spans`, `documents_current`,
`spans_current` and `note_nlp`.
Every declared column is there, whatever the files hold (a run that found nothing leaves no span file at all); columns
that were kept from the input follow. The globs name the partition folders, so that files which a writer left half-done
elsewhere (`_staging`, `_temporary`, `.spark-staging-*`) are never read.
"""

from __future__ import annotations

import glob
from importlib.resources import files
from pathlib import Path

import duckdb

from cardio_ner.errors import InputError

DOCUMENT_FILES = "documents/batch_id=*/*.parquet"
SPAN_FILES = "spans/language=*/entity_type=*/batch_id=*/*.parquet"
DOCUMENT_TYPES = {
    "doc_id": "VARCHAR",
    "language": "VARCHAR",
    "language_source": "VARCHAR",
    "status": "VARCHAR",
    "reason": "VARCHAR",
    "error_type": "VARCHAR",
    "n_chars": "INTEGER",
    "n_tokens": "INTEGER",
    "n_spans": "INTEGER",
    "text_sha256": "VARCHAR",
    "model_id": "VARCHAR",
    "annotator_version": "VARCHAR",
    "annotated_at": "TIMESTAMP",
    "source_batch": "VARCHAR",
    "source_file": "VARCHAR",
    "source_modified_at": "TIMESTAMP",
    "batch_id": "VARCHAR",
}
_FILE = "_cardio_ner_file"
"""No name that a kept column would have."""
_OPTIONS = "hive_types_autocast = false, union_by_name = true"
SPAN_TYPES = {
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
    """SQL that ships, such as the query `top_mentions` or the `views`: DuckDB takes it, and Spark, which has no
    `nfc_normalize` of its own, all but `top_mentions`."""
    return files("cardio_ner").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def open_tables(output: Path) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection over an output folder of the job. Raises InputError where there are no tables."""
    if not any(output.glob(DOCUMENT_FILES)):
        raise InputError(f"{output}: no documents table: expected the --output folder of a finished run")
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")  # as the job's Spark: the tables' times mean the same everywhere
    for name, pattern, types in (("documents", DOCUMENT_FILES, DOCUMENT_TYPES), ("spans", SPAN_FILES, SPAN_TYPES)):
        try:
            connection.execute(f"CREATE TEMPORARY VIEW {name} AS {_select(output, pattern, types)}")
        except duckdb.Error as error:
            raise InputError(
                f"{output}/{name}: a file of it cannot be read ({type(error).__name__}): expected Parquet as the job "
                "leaves it; look for a file that is cut short or is none of the job's"
            ) from None
    connection.execute(packaged_sql("views"))
    return connection


def _select(output: Path, pattern: str, types: dict[str, str]) -> str:
    """A select of the declared columns, and of the files that there are."""
    columns = ", ".join(f"NULL::{kind} AS {name}" for name, kind in types.items())
    declared = f"SELECT {columns} WHERE false"
    if not any(output.glob(pattern)):
        return declared
    quoted = f"{glob.escape(str(output))}/{pattern}".replace("'", "''")
    if "=" not in str(output):
        found = f"SELECT * FROM read_parquet('{quoted}', hive_partitioning = true, {_OPTIONS})"
    else:  # DuckDB would take folders above the output for columns too
        names = [folder.partition("=")[0] for folder in pattern.split("/")[1:-1]]
        values = ", ".join(f"url_decode(regexp_extract({_FILE}, '.*/{name}=([^/]*)/', 1)) AS {name}" for name in names)
        files = f"read_parquet('{quoted}', hive_partitioning = false, filename = '{_FILE}', {_OPTIONS})"
        found = f"SELECT * EXCLUDE ({_FILE}), {values} FROM {files}"
    return f"{declared} UNION ALL BY NAME {found}"
