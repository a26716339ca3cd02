"""What a run tells of itself, whatever its end: run.json, written anew after each batch, and the database.

Contract: from the moment that a run holds the lock, run.json is its own. `ending` says `running` (of a run that was
killed, too), `done`, `stopped` or `failed`, then with `error_type`; the counts are of the batches that are committed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import SparkSession

from cardio_ner.spark.account import BatchAccount, RunAccount
from cardio_ner.spark.catalog import register_database
from cardio_ner.spark.hadoop import write_text
from cardio_ner.spark.lock import Lock
from cardio_ner.spark.spark_error import SPARK_ERRORS, name_of

ACCOUNT = "run.json"


@dataclass(frozen=True, slots=True)
class Running:
    """A run that holds the lock of its output."""

    spark: SparkSession
    output: str
    lock: Lock
    facts: dict[str, Any]
    database: str | None = None
    batches: list[BatchAccount] = field(default_factory=list)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: float = field(default_factory=time.monotonic)

    def tell(self, ending: str = "running", error_type: str | None = None) -> RunAccount:
        """The account so far, in run.json too. Raises LockError where that is another run's by now."""
        self.lock.check()
        facts = self.facts | {
            "started": self.started.isoformat(timespec="seconds"),
            "ended": None if ending == "running" else datetime.now(UTC).isoformat(timespec="seconds"),
            "ending": ending,
            "error_type": error_type,
        }
        account = RunAccount(self.batches, time.monotonic() - self.clock, facts)
        write_text(self.spark, f"{self.output}/{ACCOUNT}", account.as_json() + "\n")
        return account

    def register(self) -> None:
        """The tables as they are now, in the database that was asked for."""
        if self.database is not None:
            register_database(self.spark, self.output, self.database)

    def tell_and_register(self) -> None:
        """What a run that follows its input does after each batch: its end may be far."""
        self.tell()
        self.register()

    @contextmanager
    def told_if_it_fails(self) -> Iterator[None]:
        """An error of the block is in run.json before it goes on."""
        try:
            yield
        except BaseException as error:
            with suppress(Exception):  # the lock or the file system is gone: the error itself says more
                self.tell("failed", name_of(error) if isinstance(error, SPARK_ERRORS) else type(error).__name__)
            raise
