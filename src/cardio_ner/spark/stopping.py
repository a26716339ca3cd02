"""How a run is told to stop: by an event, which a signal may set. The batch in progress is finished, no other begins.

Contract
- `WatchedLedger` hears of every batch: it lets none begin once the event is set (Stopped), and tells of each that is in
  place. `stream_stops` ends the streaming query between two batches, never within one.
- `quiet_on_interrupt`, for a compaction, and for a run that does not follow: Ctrl-C ends it within its batch, in one
  line; a second at once.
- `stop_on_signals`: the first SIGTERM or SIGINT sets the event, a second one does what it did before: it ends at once.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from py4j.protocol import Py4JError
from pyspark.java_gateway import ensure_callback_server_started
from pyspark.sql import SparkSession

from cardio_ner.spark.hadoop import File, read_text
from cardio_ner.spark.ledger import Ledger

LOOK_SECONDS = 0.1
QUIET_SECONDS = 5.0


class Stopped(Exception):  # noqa: N818  no error: the run was asked to
    """No batch begins any more."""


@dataclass(frozen=True, slots=True)
class WatchedLedger(Ledger):
    """The ledger of a run that can be stopped. Batches ask it what is left, tell it when they begin, and add to it."""

    stop: threading.Event = field(default_factory=threading.Event)
    after_batch: Callable[[], object] = field(default=lambda: None)
    busy: threading.Event = field(default_factory=threading.Event)
    """A batch is in progress."""
    thread: int = field(default_factory=threading.get_ident)
    """The run's own; batches of the stream have others."""

    def begin(self) -> None:
        """A batch begins. Raises Stopped."""
        self.busy.set()  # before the look at `stop`: `stream_stops` looks at both in the other order
        if self.stop.is_set():
            self.busy.clear()
            raise Stopped

    def left(self, files: Iterable[File]) -> list[File]:
        """The files that are not done, oldest first; the first batch of them begins. Raises Stopped."""
        self.begin()
        todo = Ledger.left(self, files)
        if not todo:
            self.busy.clear()
        return todo

    def add(self, files: Iterable[File]) -> None:
        """Note committed files. Raises Stopped between two batches of a catch-up; a stream's query is ended instead."""
        Ledger.add(self, files)
        self.after_batch()
        self.busy.clear()
        if self.stop.is_set() and threading.get_ident() == self.thread:
            raise Stopped


@contextmanager
def stream_stops(spark: SparkSession, checkpoint: str, ledger: WatchedLedger) -> Iterator[None]:
    """Within the block, the query of a streaming checkpoint is ended when the run is to stop. Raises Stopped where it
    then failed between two batches: its end interrupts a look at files, and Ctrl-C also ends the small programs that
    Hadoop starts (`chmod`)."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            if ledger.stop.is_set() and not ledger.busy.is_set():
                ours = json.loads(read_text(spark, f"{checkpoint}/metadata") or "{}").get("id")
                for query in spark.streams.active:
                    if query.id == ours:
                        query.stop()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    except Exception:
        if ledger.stop.is_set() and not ledger.busy.is_set():
            raise Stopped from None
        raise
    finally:
        over.set()
        watcher.join()


def stop_on_signals(spark: SparkSession) -> threading.Event:
    """The event that the first SIGTERM or SIGINT sets. For the main thread of a job, for the rest of its life."""
    stop = threading.Event()

    both = (signal.SIGTERM, signal.SIGINT)

    def first(_number: int, _frame: object) -> None:
        for number in both:
            signal.signal(number, signal.SIG_DFL)
        stop.set()

    for number in both:
        signal.signal(number, first)
    # Under spark-submit the JVM is the parent: it is the one that is told, or (Ctrl-C) is told as well.
    context: Any = spark.sparkContext
    ensure_callback_server_started(context._gateway)  # type: ignore[no-untyped-call]
    for name in ("TERM", "INT"):
        with suppress(Py4JError):  # a JVM that leaves signals to others (-Xrs)
            told = _JvmHandler(context._jvm.sun.misc.Signal, stop)
            told.before = context._jvm.sun.misc.Signal.handle(context._jvm.sun.misc.Signal(name), told)
    return stop


def quiet_on_interrupt(spark: SparkSession, left: str) -> None:
    """Ctrl-C interrupts the job, which says what it has left; what Spark says of its end is not shown. For the main
    thread of a job, for the rest of its life."""
    context: Any = spark.sparkContext
    jvm = context._jvm
    with suppress(Py4JError):  # a JVM that leaves signals to others (-Xrs)
        # Under spark-submit the JVM is told as well, and would end before this process has let go of the output.
        jvm.sun.misc.Signal.handle(jvm.sun.misc.Signal("INT"), jvm.sun.misc.SignalHandler.SIG_IGN)

    def first(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        sys.stderr.write(f"interrupted: {left}\n")
        logging.disable()
        quiet = threading.Thread(target=_hush, args=(context,), daemon=True)  # this one may be asking Py4J
        quiet.start()
        quiet.join(QUIET_SECONDS)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, first)


def _hush(context: Any) -> None:
    """No more words of Spark's, in its log or beside it: of a stream's thread that outlives what it asks Java itself
    writes a trace to stderr."""
    context.setLogLevel("OFF")
    jvm = context._jvm
    jvm.java.lang.System.setErr(jvm.java.io.PrintStream(jvm.java.io.OutputStream.nullOutputStream()))


class _JvmHandler:
    """What the JVM calls, through Py4J, at a signal."""

    def __init__(self, signals: Any, stop: threading.Event) -> None:
        self.before: Any = None
        self._signals, self._stop = signals, stop

    def handle(self, number: Any) -> None:
        self._signals.handle(number, self.before)
        self._stop.set()

    class Java:
        """Py4J's name for what this implements."""

        implements = ("sun.misc.SignalHandler",)
