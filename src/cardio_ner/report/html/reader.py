"""The records and mentions that the page's reader shows, as the data that its script reads.

Contract
- A record's text is that which was annotated (report/texts.py). Where there is none, it says why.
- Texts are cut into pieces here, in code points: the script joins pieces and counts nothing.
- What the script gets is JSON in which no character can end the script element or start a comment.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unicodedata import normalize

import duckdb

from cardio_ner.document import Document, Span
from cardio_ner.report.pieces import pieces, sentence, visible
from cardio_ner.report.texts import text_of

WITHOUT_NOTES = "The report was made without the folder of notes, so there is no text here."
EXAMPLES = 2
"""How many sentences are shown of a frequent mention."""
_DOCUMENTS = """
SELECT doc_id, coalesce(language, 'unknown'), status, reason, text_sha256
FROM documents_current WHERE doc_id IS NOT NULL ORDER BY doc_id
"""
_SPANS = """
SELECT doc_id, start_offset, end_offset, entity_type, score, text
FROM spans_current ORDER BY doc_id, start_offset, end_offset, entity_type
"""
_ESCAPES = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


@dataclass(frozen=True, slots=True)
class Record:
    """A record of the reader: its text with the mentions, or why there is no text."""

    doc_id: str
    language: str
    outcome: str
    """Its status; of a rejection, the reason."""
    mentions: tuple[tuple[Span, str], ...]
    """Each with its text, as the spans table has it."""
    text: str | None
    without_text: str = ""


@dataclass(slots=True)
class _Group:
    """Mentions of one type and language that are the same but for case, spaces and the writing of accents, while they
    are gathered."""

    place: int
    forms: Counter[str] = field(default_factory=Counter)
    seen: list[tuple[float, int, Span]] = field(default_factory=list)
    """Score, record and mention, of records with text."""


def read_records(
    tables: duckdb.DuckDBPyConnection, notes: Path | None, encoding: str | None = None
) -> Sequence[Record]:
    """Every document that has an identifier, in the identifiers' order."""
    mentions: dict[str, list[tuple[Span, str]]] = {}
    for doc_id, start, end, entity_type, score, text in tables.execute(_SPANS).fetchall():
        mentions.setdefault(doc_id, []).append((Span(start, end, entity_type, score), text))
    records = []
    for doc_id, language, status, reason, sha256 in tables.execute(_DOCUMENTS).fetchall():
        text, without = None, WITHOUT_NOTES
        if notes is not None:
            text, without = text_of(notes, doc_id, sha256, encoding=encoding)
        outcome = f"{status}: {reason}" if reason else status
        records.append(Record(doc_id, language, outcome, tuple(mentions.get(doc_id, ())), text, without))
    return records


def reader_json(records: Sequence[Record], types: Sequence[str]) -> str:
    """The data of the script: see the shapes in page.js."""
    groups: dict[tuple[str, str, str], _Group] = {}
    told = [_as_json(number, record, groups) for number, record in enumerate(records)]
    data = {
        "types": types,
        "languages": sorted({record.language for record in records}),
        "groups": [
            {
                "type": types.index(key[0]),
                "language": key[1],
                "text": group.forms.most_common(1)[0][0],
                "examples": list(_examples(group, records)),
            }
            for key, group in groups.items()
        ],
        "records": told,
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPES)


def _as_json(number: int, record: Record, groups: dict[tuple[str, str, str], _Group]) -> dict[str, Any]:
    mentions = []
    for span, text in record.mentions:
        form = normalize("NFC", " ".join("".join(visible(text)).split())) or "␣"
        key = (span.entity_type, record.language, form.lower())
        group = groups.setdefault(key, _Group(len(groups)))
        group.forms[form] += 1
        if record.text is not None:
            group.seen.append((span.score or 0.0, number, span))
        mentions.append([group.place, None if span.score is None else round(span.score, 3)])
    return {
        "id": record.doc_id,
        "language": record.language,
        "outcome": record.outcome,
        "mentions": mentions,
        "pieces": list(_pieces(record)),
        "without": record.without_text,
    }


def _pieces(record: Record) -> Iterator[list[Any]]:
    """The text's pieces as they are shown, each with the mentions that cover it."""
    if record.text is None:
        return
    shown = visible(record.text)
    document = Document(record.doc_id, record.language, record.text, tuple(span for span, _ in record.mentions))
    for piece in pieces(document):
        yield ["".join(shown[piece.start : piece.end]), *piece.covered_by]


def _examples(group: _Group, records: Sequence[Record]) -> Iterable[list[Any]]:
    """Sentences of different records, the surest mentions first: the number of the record, then the three parts."""
    shown: set[int] = set()
    for _, number, span in sorted(group.seen, key=lambda seen: (-seen[0], seen[1], seen[2])):
        text = records[number].text
        if number not in shown and len(shown) < EXAMPLES and text is not None:
            shown.add(number)
            yield [number, *sentence(text, span.start, span.end)]
