"""An output folder made by hand: Parquet files in the job's layout, each row saying only what its test is about."""

from __future__ import annotations

import datetime
import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

INSTANT = pa.timestamp("us", tz="UTC")
DOCUMENT = pa.schema(
    [
        *((name, pa.string()) for name in ("doc_id", "language", "language_source", "status", "reason", "error_type")),
        *((name, pa.int32()) for name in ("n_chars", "n_tokens", "n_spans")),
        *((name, pa.string()) for name in ("text_sha256", "model_id", "annotator_version")),
        ("annotated_at", INSTANT),
        ("source_batch", pa.string()),
        ("source_file", pa.string()),
        ("source_modified_at", INSTANT),
    ]
)
SPAN = pa.schema(
    [
        ("doc_id", pa.string()),
        ("text_sha256", pa.string()),
        ("start_offset", pa.int32()),
        ("end_offset", pa.int32()),
        ("text", pa.string()),
        ("score", pa.float32()),
        ("model_id", pa.string()),
    ]
)
Row = dict[str, Any]


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def day(number: int) -> datetime.datetime:
    """The n-th of May 2024, half an hour before midnight: its date differs between time zones."""
    return datetime.datetime(2024, 5, number, 23, 30, tzinfo=datetime.UTC)


def document(doc_id: str | None, batch: str, *, at: int, text: str = "A", **values: Any) -> Row:
    """A row of documents: annotated on the `at`-th by model m1, unless the values say otherwise."""
    row = dict.fromkeys(DOCUMENT.names) | {
        "doc_id": doc_id, "language": "es", "status": "annotated", "n_chars": len(text), "n_tokens": 1, "n_spans": 1,
        "text_sha256": sha(text), "model_id": "m1", "annotator_version": "0.1.0", "annotated_at": day(at),
        "batch_id": batch,
    }  # fmt: skip
    return row | values


def rejected(doc_id: str | None, batch: str, *, at: int, text: str = "", **values: Any) -> Row:
    """A row of documents that was rejected."""
    nothing = {"status": "rejected", "reason": "empty_text", "model_id": None, "n_tokens": None, "n_spans": None}
    return document(doc_id, batch, at=at, text=text, **(nothing | values))


def unchanged(doc_id: str, batch: str, *, at: int, source: str, **values: Any) -> Row:
    """A row of documents whose mentions are those of the batch `source`."""
    return document(doc_id, batch, at=at, **({"status": "unchanged", "source_batch": source} | values))


def span(doc_id: str, batch: str, mention: str, *, of: str = "A", start: int = 0, **values: Any) -> Row:
    """A row of spans: the mention at an offset of the text `of`."""
    row = {
        "doc_id": doc_id, "text_sha256": sha(of), "start_offset": start, "end_offset": start + len(mention),
        "text": mention, "score": 0.5, "model_id": "m1", "language": "es", "entity_type": "DISEASE", "batch_id": batch,
    }  # fmt: skip
    return row | values


def write_documents(output: Path, *rows: Row, kept: pa.Schema | None = None) -> Path:
    """Add rows to output/documents, one file per batch; `kept` are the columns that the user kept."""
    return _write(output / "documents", ["batch_id"], rows, pa.schema([*DOCUMENT, *(kept or [])]))


def write_spans(output: Path, *rows: Row) -> Path:
    """Add rows to output/spans, one file per partition. No rows: no folder, as after a run that found nothing."""
    return _write(output / "spans", ["language", "entity_type", "batch_id"], rows, SPAN)


def _write(table: Path, partitions: list[str], rows: tuple[Row, ...], schema: pa.Schema) -> Path:
    for folder in sorted({_folder(row, partitions) for row in rows}):
        (table / folder).mkdir(parents=True, exist_ok=True)
        members = [row for row in rows if _folder(row, partitions) == folder]
        name = f"part-{len(list((table / folder).iterdir()))}.parquet"
        rows_of_folder = pa.Table.from_pylist(members, schema=schema)
        pq.write_table(rows_of_folder, table / folder / name, use_deprecated_int96_timestamps=True)  # as Spark does
    return table.parent


def _folder(row: Row, partitions: list[str]) -> str:
    return "/".join(f"{name}={row[name]}" for name in partitions)
