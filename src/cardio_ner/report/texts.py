"""The text of a record, from the folder of notes that was annotated.

Contract
- A text comes from `NOTES/<doc_id>.txt`, the suffix in any case, as the job reads it; and only where its SHA-256 is the
  one in the documents table: another text would be coloured in the wrong places.
- That digest is of the text in UTF-8. Where the job was told an `--encoding`, the file's bytes are decoded by it,
  unless they are the annotated text as they stand.
- Where there is no text, it is said why, in a sentence for the reader.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path, PurePosixPath

from cardio_ner.errors import InputError

SUFFIXES = tuple(f".{''.join(letters)}" for letters in product("tT", "xX", "tT"))
"""`.txt` in any case."""
NO_FILE = "There is no file of this name in the folder of notes."
ANOTHER_TEXT = (
    "The file is not the text that was annotated (its SHA-256 is another): it has changed since, or was read with "
    "--encoding."
)


def check_encoding(name: str | None) -> None:
    """Raises InputError where Python knows no such encoding of text."""
    try:
        "a".encode("utf-8" if name is None else name)
    except (LookupError, ValueError):
        raise InputError(
            f"--encoding {name}: no encoding of that name: expected the one that the job was given, such as "
            "windows-1252 or ISO-8859-1"
        ) from None


def text_of(notes: Path, doc_id: str, sha256: str | None, *, encoding: str | None = None) -> tuple[str | None, str]:
    """The record's text, or None and the reason. `encoding` is that of the job; None: UTF-8."""
    why = NO_FILE
    for suffix in SUFFIXES:
        content = _read(notes, f"{doc_id}{suffix}")
        if content is None:
            continue
        for text in _decoded(content, encoding):
            if hashlib.sha256(text.encode("utf-8")).hexdigest() == sha256:
                return text, ""
        same = hashlib.sha256(content).hexdigest() == sha256
        why = "The file is not UTF-8." if same else ANOTHER_TEXT
    return None, why


def _decoded(content: bytes, encoding: str | None) -> Iterator[str]:
    """The bytes as UTF-8, then by the encoding that was named; those that they are not are left out."""
    for name in ("utf-8", *([] if encoding is None else [encoding])):
        with suppress(UnicodeError):
            text = content.decode(name)
            text.encode("utf-8")  # half a character has no UTF-8, and so no digest
            yield text


def _read(notes: Path, file: str) -> bytes | None:
    name = PurePosixPath(file)
    if name.is_absolute() or ".." in name.parts:  # it leads out of the folder
        return None
    try:
        return (notes / name).read_bytes()
    except (OSError, ValueError):  # an identifier need not be a name that a file can have
        return None
