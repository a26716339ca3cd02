"""The account of a run: what became of every row, for the terminal and as run.json.

Contract: counts only, taken from what was staged; no text of a record.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

FAILURES = ("failed", "unreadable_file")
"""Reasons that speak against the run, not against the records."""


@dataclass(frozen=True, slots=True)
class BatchAccount:
    """One batch: rows per (status, reason, language, error_type), mentions per (language, type), tokens read."""

    batch_id: str
    rows: dict[tuple[str | None, ...], int]
    mentions: dict[tuple[str, str], int]
    n_tokens: int

    @property
    def n_rows(self) -> int:
        """All rows of the batch."""
        return sum(self.rows.values())

    @property
    def n_failed(self) -> int:
        """Documents that made the tagger fail, and files that could not be read."""
        return sum(count for (_, reason, _, _), count in self.rows.items() if reason in FAILURES)

    @property
    def error_types(self) -> list[str]:
        """What they failed with."""
        return sorted({str(error) for (_, reason, _, error) in self.rows if reason in FAILURES})


def account_of(staged: DataFrame, batch_id: str) -> BatchAccount:
    """Count a staged batch: its rows, and the mentions in them, in one pass."""
    keys = ["status", "reason", "language", "error_type"]
    types = "IF(status = 'annotated', concat(array(NULL), spans.entity_type), array(NULL))"  # null: the row itself
    told = staged.selectExpr(*keys, "n_tokens", f"explode({types}) AS type")
    counted = told.groupBy(*keys, "type").agg(F.expr("count(*) AS n"), F.expr("sum(n_tokens) AS n_tokens"))
    rows: Counter[tuple[str | None, ...]] = Counter()
    mentions: Counter[tuple[str, str]] = Counter()
    n_tokens = 0
    for row in counted.collect():
        if row["type"] is None:
            rows[tuple(row[key] for key in keys)] += row["n"]
            n_tokens += row["n_tokens"] or 0
        else:
            mentions[row["language"], row["type"]] += row["n"]
    return BatchAccount(batch_id, dict(rows), dict(mentions), n_tokens)


@dataclass(frozen=True, slots=True)
class RunAccount:
    """A run: its batches added up, with what it ran on."""

    batches: Sequence[BatchAccount]
    seconds: float
    facts: dict[str, Any] = field(default_factory=dict)
    """Input, output, stream, checkpoints, versions, times: what is not counted."""

    def outcomes(self) -> Counter[str]:
        """Rows by `annotated`, `unchanged`, or the reason of their rejection."""
        return self._sum(lambda key: key[1] or key[0])

    def languages(self) -> Counter[str]:
        """Rows by language; `unknown` where none was given or found."""
        return self._sum(lambda key: key[2] or "unknown")

    def errors(self) -> Counter[str]:
        """Rows by the type of error, where there was one."""
        return self._sum(lambda key: key[3])

    def mentions(self) -> Counter[tuple[str, str]]:
        """Mentions by (language, entity type)."""
        return sum((Counter(batch.mentions) for batch in self.batches), Counter())

    def as_json(self) -> str:
        """run.json: the same numbers as the summary, and the facts."""
        n_rows, n_tokens = sum(b.n_rows for b in self.batches), sum(b.n_tokens for b in self.batches)
        return json.dumps(
            self.facts
            | {
                "seconds": round(self.seconds, 3),
                "batches": [batch.batch_id for batch in self.batches],
                "rows": n_rows,
                "rows_by_outcome": dict(sorted(self.outcomes().items())),
                "rows_by_language": dict(sorted(self.languages().items())),
                "rows_by_error_type": dict(sorted(self.errors().items())),
                "mentions": {" ".join(key): count for key, count in sorted(self.mentions().items())},
                "tokens": n_tokens,
                "rows_per_second": round(n_rows / self.seconds, 3),
                "tokens_per_second": round(n_tokens / self.seconds, 3),
            },
            indent=2,
        )

    def __str__(self) -> str:
        told = json.loads(self.as_json())
        batches = "1 batch" if len(self.batches) == 1 else f"{len(self.batches)} batches"
        head = f"{told['rows']} rows in {batches}, {self.seconds:.1f} s"
        lines = [f"{head} ({told['rows_per_second']:.1f} rows/s, {told['tokens_per_second']:.0f} tokens/s)"]
        lines += [f"  {count:>10}  {outcome}" for outcome, count in told["rows_by_outcome"].items()]
        lines += [f"  {count:>10}  records, {language}" for language, count in told["rows_by_language"].items()]
        lines += [f"  {count:>10}  mentions, {key}" for key, count in told["mentions"].items()]
        lines += [f"  {count:>10}  errors, {error}" for error, count in told["rows_by_error_type"].items()]
        lines += [f"  {model_id}  checkpoint, {language}" for language, model_id in told["checkpoints"].items()]
        return "\n".join(lines)

    def _sum(self, name_of: Callable[[tuple[str | None, ...]], str | None]) -> Counter[str]:
        total: Counter[str] = Counter()
        for batch in self.batches:
            for told, count in batch.rows.items():
                name = name_of(told)
                if name is not None:
                    total[name] += count
        return total
