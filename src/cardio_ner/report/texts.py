"""The text of a record, from the folder of notes that was annotated.

Contract: a text comes from `NOTES/<doc_id>.txt`, and only where its SHA-256 is the one in the documents table: another
text would be coloured in the wrong places. Where there is no text, it is said why, in a sentence for the reader.
"""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath


def text_of(notes: Path, doc_id: str, sha256: str | None) -> tuple[str | None, str]:
    """The record's text, or None and the reason."""
    name = PurePosixPath(f"{doc_id}.txt")
    leads_out = name.is_absolute() or ".." in name.parts
    try:
        content = None if leads_out else (notes / name).read_bytes()
    except (OSError, ValueError):  # an identifier need not be a name that a file can have
        content = None
    if content is None:
        return None, "There is no file of this name in the folder of notes."
    if hashlib.sha256(content).hexdigest() != sha256:
        return None, "The file is not the text that was annotated (its SHA-256 is another): it has changed since."
    try:
        return content.decode("utf-8"), ""
    except UnicodeDecodeError:
        return None, "The file is not UTF-8."
