"""The latest run's own account (run.json), and how fast its documents came.

Contract: an output without run.json (copied tables) has no account, and the report says so. One that cannot be read is
an InputError. The pace is measured between commits: `annotated_at` is when a batch was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
from pydantic import BaseModel, ConfigDict, ValidationError

from cardio_ner.errors import InputError

ACCOUNT = "run.json"
MOST_STRETCHES = 48
_COMMITS = """
SELECT epoch(annotated_at), count(*) FROM documents WHERE annotated_at IS NOT NULL GROUP BY ALL ORDER BY 1
"""


class Run(BaseModel):
    """What the report needs of run.json."""

    model_config = ConfigDict(frozen=True)

    started: datetime
    ended: datetime | None
    ending: str
    error_type: str | None = None
    seconds: float
    rows: int
    tokens: int
    rows_per_second: float
    tokens_per_second: float
    annotator_version: str
    spark: str
    checkpoints: dict[str, str]
    batches: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a run, in seconds since its start, and the documents that were committed in it."""

    begin_s: float
    end_s: float
    documents: int

    @property
    def per_second(self) -> float:
        """Documents a second."""
        return self.documents / (self.end_s - self.begin_s)


def read_run(output: Path) -> Run | None:
    """The account that the latest run left, if it left one."""
    try:
        return Run.model_validate_json((output / ACCOUNT).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        wrong = "; ".join(sorted({f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()}))
        raise InputError(
            f"{output / ACCOUNT}: expected the account that the job writes: {wrong}; "
            "run the job again, or remove the file"
        ) from None


def pace(tables: duckdb.DuckDBPyConnection, run: Run) -> Sequence[Stretch]:
    """The run cut at its commits, neighbours together where there are many. Other runs' batches do not count."""
    commits: list[tuple[float, int]] = []
    begin = run.started.timestamp()
    end = begin + run.seconds + 1  # `started` is told in whole seconds
    for at, documents in tables.execute(_COMMITS).fetchall():
        if begin < at <= end:
            commits.append((at - begin, documents))
    together = -(-len(commits) // MOST_STRETCHES) or 1
    stretches: list[Stretch] = []
    for first in range(0, len(commits), together):
        members = commits[first : first + together]
        since = stretches[-1].end_s if stretches else 0.0
        stretches.append(Stretch(since, members[-1][0], sum(documents for _, documents in members)))
    return stretches
