"""The text of a record, from the folder of notes that was annotated.

Contract: a text comes from `NOTES/<doc_id>.txt`, and only where its SHA-256 is the one in the documents table: another
text would be coloured in the wrong places. Where there is no text, it is said why, in a sentence for the reader.
"""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath

SUFFIXES = (".txt", ".TXT")
"""As the job reads them."""


def text_of(notes: Path, doc_id: str, sha256: str | None) -> tuple[str | None, str]:
    """The record's text, or None and the reason."""
    content = next((found for suffix in SUFFIXES if (found := _read(notes, f"{doc_id}{suffix}")) is not None), None)
    if content is None:
        return None, "There is no file of this name in the folder of notes."
    if hashlib.sha256(content).hexdigest() != sha256:
        return None, "The file is not the text that was annotated (its SHA-256 is another): it has changed since."
    try:
        return content.decode("utf-8"), ""
    except UnicodeDecodeError:
        return None, "The file is not UTF-8."


def _read(notes: Path, file: str) -> bytes | None:
    name = PurePosixPath(file)
    if name.is_absolute() or ".." in name.parts:  # it leads out of the folder
        return None
    try:
        return (notes / name).read_bytes()
    except (OSError, ValueError):  # an identifier need not be a name that a file can have
        return None
