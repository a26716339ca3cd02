"""A live line while a run goes on: documents, documents a second, share done, time left.

Contract: counts only, on standard error; redrawn in a terminal, elsewhere a line every QUIET_SECONDS. The numbers come
from the workers when a task ends (Spark's accumulators), so they move in steps, and what Spark tries twice is capped at
the batch's own size. The account at the end does not depend on them.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType

from pyspark.sql import SparkSession
from rich.console import Console

from cardio_ner.spark.udf import Progress

TICK_SECONDS = 1.0
QUIET_SECONDS = 60.0


class Meter:
    """`with Meter(spark, total_bytes) as meter:` shows the line; batches report to it."""

    def __init__(self, spark: SparkSession, total_bytes: int, console: Console | None = None) -> None:
        context = spark.sparkContext
        self.counted = Progress(context.accumulator(0), context.accumulator(0))
        self._console = console or Console(stderr=True)
        self._total_bytes = max(1, total_bytes)
        self._started = time.monotonic()
        self._rows_before, self._bytes_before = 0, 0
        self._batch_rows, self._batch_bytes, self._counted_before = 0, 0, 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)

    def begin(self, n_rows: int, n_bytes: int) -> None:
        """A batch of so many rows and bytes begins, or begins again."""
        self._batch_rows, self._batch_bytes = n_rows, n_bytes
        self._counted_before = int(self.counted.documents.value)

    def commit(self) -> None:
        """The batch is in place."""
        self._rows_before += self._batch_rows
        self._bytes_before += self._batch_bytes
        self._batch_rows, self._batch_bytes = 0, 0

    def line(self) -> str:
        """What is shown."""
        in_batch = min(self._batch_rows, int(self.counted.documents.value) - self._counted_before)
        rows = self._rows_before + in_batch
        part = self._batch_bytes * in_batch / self._batch_rows if self._batch_rows else 0
        share = min(1.0, (self._bytes_before + part) / self._total_bytes)
        seconds = time.monotonic() - self._started
        left = f", {_duration(seconds / share - seconds)} left" if share > 0 else ""
        return f"{rows:,} documents, {rows / seconds:.1f} documents/s, {share:.0%} done{left}"

    def __enter__(self) -> Meter:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _show(self) -> None:
        if self._console.is_terminal:
            with self._console.status(self.line()) as status:
                while not self._ended.wait(TICK_SECONDS):
                    status.update(self.line())
        else:
            while not self._ended.wait(QUIET_SECONDS):
                self._console.print(self.line(), highlight=False, soft_wrap=True)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
