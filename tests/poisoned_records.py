"""Records that break pipelines: fourteen kinds, with what must become of each, as JSON lines, Parquet, CSV and texts.

All of them hold MARKER, a patient's name if they were real: it may appear in no log.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

MARKER = "Zxqvwyk"
NOTE = f"La paciente {MARKER} toma aspirina."


@dataclass(frozen=True)
class Poisoned:
    """Text as bytes (None: null), the language given, what must become of it."""

    doc_id: str
    text: bytes | None
    outcome: str
    language: str = "es"


POISONED = [
    Poisoned("null", None, "empty_text"),
    Poisoned("empty", b"", "empty_text"),
    Poisoned("blank", " \t\r\n\u00a0\u200b\ufeff".encode(), "empty_text"),
    Poisoned("surrogates", NOTE.encode() + b" \xed\xa0\x80", "invalid_encoding"),
    Poisoned("ff", NOTE.encode() + b" \xff", "invalid_encoding"),
    Poisoned("latin", f"{NOTE} Estenosis aórtica.".encode("latin-1"), "invalid_encoding"),
    Poisoned("long", (NOTE + " " + ("x" * 1000 + " ") * 400).encode(), "annotated"),
    Poisoned("binary", bytes(range(128, 256)) + NOTE.encode(), "invalid_encoding"),
    Poisoned("french", f"Madame {MARKER} prend du bisoprolol.".encode(), "unsupported_language", "fr"),
    Poisoned("twice", NOTE.encode(), "annotated"),
    Poisoned("twice", NOTE.encode(), "unchanged"),
    Poisoned("nul", f"{NOTE}\x00 Fin.".encode(), "annotated"),
    Poisoned("decomposed", f"{NOTE} Estenosis ao\u0301rtica.".encode(), "annotated"),
    Poisoned("marks", f"\u200f{NOTE}\u202e aspirina".encode(), "annotated"),
    Poisoned("newlines", b"\n" * 100_000, "empty_text"),
    Poisoned("newlines and text", b"\n" * 100_000 + NOTE.encode(), "annotated"),
]


def write_json_lines(path: Path) -> list[Poisoned]:
    """One line a record; half a character as the escape that JSON allows, other bytes as they are. Returns them."""
    lines = []
    for record in POISONED:
        told = {"doc_id": record.doc_id, "language": record.language, "text": "TEXT"}
        if record.text is None:
            text = b"null"
        elif b"\xed\xa0\x80" in record.text:
            text = json.dumps(NOTE).encode()[:-1] + b' \\ud800"'
        else:
            plain = record.text.decode("utf-8", errors="surrogateescape")
            text = json.dumps(plain, ensure_ascii=False).encode("utf-8", errors="surrogateescape")
        lines.append(json.dumps(told).encode().replace(b'"TEXT"', text))
    path.write_bytes(b"\n".join(lines) + b"\n")
    return POISONED


def write_parquet(path: Path) -> list[Poisoned]:
    """A string column with whatever bytes. Returns what was written."""
    text = pa.array([record.text for record in POISONED], pa.binary()).view(pa.string())
    columns = {"doc_id": [r.doc_id for r in POISONED], "language": [r.language for r in POISONED], "text": text}
    pq.write_table(pa.table(columns), path)
    return POISONED


def write_csv(path: Path) -> list[Poisoned]:
    """Quoted where it must be; null and empty are the same. Returns what was written."""
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["doc_id", "language", "text"])
        for record in POISONED:
            text = (record.text or b"").decode("utf-8", errors="surrogateescape")
            writer.writerow([record.doc_id, record.language, text])
    return POISONED


def write_texts(folder: Path) -> list[Poisoned]:
    """A file a record: names are unique, and there is no null. Returns what was written."""
    written = {record.doc_id: record for record in POISONED if record.text is not None and record.language == "es"}
    for record in written.values():
        (folder / "es").mkdir(parents=True, exist_ok=True)
        (folder / f"es/{record.doc_id}.txt").write_bytes(record.text or b"")
    return list(written.values())
