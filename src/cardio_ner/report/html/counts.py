"""The numbers of the report, counted in SQL: documents as they now stand, their mentions.

Contract
- A document counts once, as `documents_current` has it; each row without doc_id counts.
- Only numbers, and the names of statuses, reasons, languages and entity types: nothing of a record's text.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

SCORE_BINS = 20

_OUTCOMES = """
SELECT status, reason, coalesce(language, 'unknown'), count(*)
FROM documents_current GROUP BY ALL ORDER BY 1, 2 NULLS FIRST, 3
"""
_MENTIONS = """
SELECT entity_type, language, count(*), count(DISTINCT doc_id), count(DISTINCT nfc_normalize(lower(text)))
FROM spans_current GROUP BY ALL ORDER BY 1, 2
"""
_PER_DOCUMENT = """
WITH found AS (SELECT doc_id, count(*) AS n FROM spans_current GROUP BY doc_id)
SELECT coalesce(found.n, 0), count(*)
FROM documents_current LEFT JOIN found USING (doc_id)
WHERE status <> 'rejected' GROUP BY ALL ORDER BY 1
"""
_SCORES = f"""
SELECT entity_type, least(CAST(floor(score * {SCORE_BINS}) AS INTEGER), {SCORE_BINS - 1}), count(*)
FROM spans_current WHERE score IS NOT NULL GROUP BY ALL ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Documents of a language with one status and, if they were rejected, one reason."""

    status: str
    reason: str | None
    language: str
    documents: int


@dataclass(frozen=True, slots=True)
class Found:
    """Mentions of a type and language: how many, in how many records, how many different (case and
    the writing of accents aside)."""

    entity_type: str
    language: str
    mentions: int
    records: int
    different: int


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers of an output folder."""

    outcomes: tuple[Outcome, ...]
    found: tuple[Found, ...]
    documents_by_mentions: dict[int, int]
    """How many documents that were not rejected have so many mentions."""
    scores: dict[str, dict[int, int]]
    """By type: mentions in each of SCORE_BINS equal parts of [0, 1]."""
    rows: int
    batches: int

    @property
    def documents(self) -> int:
        """All documents."""
        return sum(outcome.documents for outcome in self.outcomes)

    @property
    def rejected(self) -> int:
        """Documents that have no mentions because they were rejected."""
        return sum(outcome.documents for outcome in self.outcomes if outcome.status == "rejected")

    @property
    def mentions(self) -> int:
        """All mentions."""
        return sum(found.mentions for found in self.found)


def count(tables: duckdb.DuckDBPyConnection) -> Counts:
    """Count the tables."""
    scores: dict[str, dict[int, int]] = {}
    for entity_type, place, number in tables.execute(_SCORES).fetchall():
        scores.setdefault(entity_type, {})[place] = number
    rows, batches = tables.execute("SELECT count(*), count(DISTINCT batch_id) FROM documents").fetchall()[0]
    return Counts(
        outcomes=tuple(Outcome(*row) for row in tables.execute(_OUTCOMES).fetchall()),
        found=tuple(Found(*row) for row in tables.execute(_MENTIONS).fetchall()),
        documents_by_mentions=dict(tables.execute(_PER_DOCUMENT).fetchall()),
        scores=scores,
        rows=rows,
        batches=batches,
    )
