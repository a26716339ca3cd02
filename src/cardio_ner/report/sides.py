"""The two sides of an evaluation: gold documents from brat folders, and the same documents as they were annotated.

Contract
- A document is named by its path below the folder, without `.txt`, as the job names it: `es/case1`. As the job does, it
  passes over what lies in folders whose names begin with `_` or `.`.
- Its language is what the caller says, else the folder's name (`es`, `es/brat`), else what the job's tables say, else
  UNDETERMINED.
- Every gold document must be on the other side, with the same text: one that was never annotated must not pass for one
  without mentions. Documents without gold are counted and left out.
- Of a job's output the mentions are those of `spans_current`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from cardio_ner.corpus.brat import is_hidden, read_brat
from cardio_ner.document import LANGUAGES, UNDETERMINED, Document, Span
from cardio_ner.errors import DocumentError, InputError

_CURRENT_DOCUMENTS = "SELECT doc_id, language, status, text_sha256 FROM documents_current WHERE doc_id IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Sides:
    """Gold documents, and the same ones, in the same order, with the mentions found in them."""

    gold: list[Document]
    found: list[Document]
    n_without_gold: int
    """Documents of the other side that nothing is known of."""


@dataclass(frozen=True, slots=True)
class _Annotated:
    """A document of the other side: its mentions, and the digest of the text that their offsets count in."""

    language: str
    text_sha256: str
    spans: tuple[Span, ...]


def read_sides(gold: Path, spans: Path, *, language: str | None = None) -> Sides:
    """Read both. `spans` is a brat folder or the output of the job.

    Raises InputError for a folder that is neither, DocumentError where documents are missing or their texts differ.
    """
    wanted = _read_brat_tree(gold, language)
    annotated = _read_annotated(spans, language)
    _check_all_there(wanted, annotated, spans)
    named = [
        replace(document, language=annotated[document.doc_id].language)
        if document.language == UNDETERMINED
        else document
        for document in wanted
    ]
    found = [document.with_spans(annotated[document.doc_id].spans) for document in named]
    return Sides(named, found, len(annotated) - len(wanted))


def _read_annotated(folder: Path, language: str | None) -> dict[str, _Annotated]:
    if (folder / "documents").is_dir():
        return _read_tables(folder)
    return {
        document.doc_id: _Annotated(document.language, _sha256(document.text), document.spans)
        for document in _read_brat_tree(folder, language)
    }


def _read_brat_tree(root: Path, language: str | None) -> list[Document]:
    """The documents of a brat folder and of those in it."""
    if not root.is_dir():
        raise InputError(f"{root}: no such folder: expected a brat folder of .txt and .ann files")
    below = [path.relative_to(root) for path in root.rglob("*") if path.suffix.lower() in (".txt", ".ann")]
    folders = sorted({path.parent for path in below if not any(map(is_hidden, path.parts))})
    if not folders:
        raise InputError(f"{root}: no .txt file in it: expected a brat folder, or the --output folder of a job")
    return [
        replace(document, doc_id=folder.joinpath(document.doc_id).as_posix())
        for folder in folders
        for document in read_brat(root / folder, language=language or _language_of(root, folder))
    ]


def _language_of(root: Path, below: Path) -> str:
    """What the innermost folder that is named by a language says; of the root's own path, only its end counts."""
    names = [*root.absolute().parts[-2:], *below.parts]
    return next((name for name in reversed(names) if name in LANGUAGES), UNDETERMINED)


def _read_tables(output: Path) -> dict[str, _Annotated]:
    """The documents of a job's output that are annotated as they stand now."""
    from cardio_ner.report.tables import open_tables

    tables = open_tables(output)
    mentions: dict[str, list[Span]] = defaultdict(list)
    rows = tables.execute("SELECT doc_id, start_offset, end_offset, entity_type, score FROM spans_current").fetchall()
    for doc_id, *span in rows:
        mentions[doc_id].append(Span(*span))
    return {
        doc_id: _Annotated(language, text_sha256, tuple(mentions[doc_id]))
        for doc_id, language, status, text_sha256 in tables.execute(_CURRENT_DOCUMENTS).fetchall()
        if status != "rejected"
    }


def _check_all_there(wanted: Iterable[Document], annotated: dict[str, _Annotated], where: Path) -> None:
    """Raise DocumentError unless each gold document was annotated, and in the same text."""
    missing = [document.doc_id for document in wanted if document.doc_id not in annotated]
    if missing:
        theirs = f" (names there are such as {min(annotated)!r})" if annotated else ""
        raise DocumentError(
            f"{where}: {len(missing)} gold documents were not annotated, such as {min(missing)!r}{theirs}: expected "
            "each of them, named by its path below the folder"
        )
    others = [d.doc_id for d in wanted if _sha256(d.text) != annotated[d.doc_id].text_sha256]
    if others:
        raise DocumentError(
            f"{where}: {len(others)} gold documents have another text there, such as {min(others)!r}: expected the "
            "same bytes, since offsets count in them"
        )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
