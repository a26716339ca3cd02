"""One run at a time per output: a lock file that says whose it is, and a heartbeat that says that it still is.

    output/_lock             {"run": …, "host": …, "boot": …, "pid_namespace": …, "pid": …, "process_started": …,
                             "since": …}, written once
    output/_lock.heartbeat   its modification time counts

Contract
- A second run is refused with LockError, which names the holder. Nothing was read or written then.
- A lock is stale, and is taken over, where its process is gone from this machine, or where its heartbeat is older than
  STALE_SECONDS (another machine: clocks must agree within that). A machine is this one where its name, its boot and the
  processes that can be seen are: containers and clusters repeat names.
- A run that was taken for dead finds out before it commits anything: see `Lock.check`.
- Creating the file is atomic on local disks and HDFS. Object stores make no such promise: schedule runs one by one.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from cardio_ner.errors import LockError
from cardio_ner.spark.hadoop import create_text, literal, modified_ms, move, read_text, remove, touch
from cardio_ner.spark.spark_error import SPARK_ERRORS, name_of
from cardio_ner.spark.tables import unusable

HEARTBEAT_SECONDS = 15
STALE_SECONDS = 120
RUNNING = "running"
"""When a process started, where this user cannot see more than that it runs."""
HEARTBEAT = ".heartbeat"


@dataclass(frozen=True, slots=True)
class Lock:
    """The lock that this run holds."""

    spark: SparkSession
    path: str
    run: str

    def check(self) -> None:
        """Raises LockError if another run has taken this one for dead (a machine that slept, say)."""
        holder = _holder(self.spark, self.path) or {}
        if holder.get("run") != self.run:
            raise LockError(
                f"{self.path}: this run lost it to {_name(holder)}: expected to hold it until the end; nothing more "
                "was written; run again when the other is done"
            )


@contextmanager
def output_lock(spark: SparkSession, output: str) -> Iterator[Lock]:
    """Hold the output's lock for the length of a `with` block."""
    lock = Lock(spark, f"{output}/_lock", uuid.uuid4().hex)
    mine = {
        "run": lock.run,
        **place(),
        "pid": os.getpid(),
        "process_started": _process_started(os.getpid()),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    try:
        _acquire(lock, json.dumps(mine))
    except (OSError, *SPARK_ERRORS) as error:
        why = type(error).__name__ if isinstance(error, OSError) else name_of(error)
        raise unusable(output, why) from None
    released = threading.Event()
    heartbeat = threading.Thread(target=_beat, args=(lock, released), daemon=True)
    heartbeat.start()
    try:
        yield lock
    finally:
        released.set()
        heartbeat.join()
        if (_holder(spark, lock.path) or {}).get("run") == lock.run:
            remove(spark, literal(lock.path + HEARTBEAT))
            remove(spark, literal(lock.path))


def place() -> dict[str, str | None]:
    """Where this process runs: within equal places, a number names one process."""
    return {
        "host": socket.gethostname(),
        "boot": _read_or_none(lambda: Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()),
        "pid_namespace": _read_or_none(lambda: os.readlink("/proc/self/ns/pid")),  # noqa: PTH115  no path: pid:[…]
    }


def _read_or_none(read: Callable[[], str]) -> str | None:
    try:
        return read()
    except OSError:  # not Linux
        return None


def _acquire(lock: Lock, text: str) -> None:
    for _ in range(3):
        if create_text(lock.spark, lock.path, text):
            return
        holder, written = _holder(lock.spark, lock.path), modified_ms(lock.spark, lock.path)
        if holder is None or written is None:
            continue  # released between our two looks
        if not _is_stale(lock, holder):
            raise LockError(
                f"{lock.path}: held by {_name(holder)}: expected one run at a time per output; wait for it, or "
                f"if it is dead, until {STALE_SECONDS} s have passed since its last heartbeat"
            )
        _set_aside(lock, holder, written)
    raise LockError(f"{lock.path}: other runs take it again and again: expected one run at a time per output")


def _set_aside(lock: Lock, judged: dict[str, Any], written: int) -> None:
    """Take a stale lock away. A rename, so that of several runs that found it stale one succeeds; if a quicker one has
    put its own lock there meanwhile, that is put back."""
    aside = f"{lock.path}.stale.{lock.run}"
    with suppress(Exception):  # another run was quicker: the next look says who
        move(lock.spark, lock.path, aside)
        if (_holder(lock.spark, aside), modified_ms(lock.spark, aside)) != (judged, written):
            move(lock.spark, aside, lock.path)
    remove(lock.spark, literal(aside))


def _holder(spark: SparkSession, path: str) -> dict[str, Any] | None:
    """What the lock says, nothing where it is half-written, None where there is none."""
    text = read_text(spark, path)
    if text is None:
        return None
    try:
        return dict(json.loads(text))
    except ValueError:
        return {}


def _name(holder: dict[str, Any]) -> str:
    where = ", ".join(f"{key} {holder.get(key)}" for key in ("host", "pid", "since"))
    return f"run {holder.get('run')} ({where})"


def _is_stale(lock: Lock, holder: dict[str, Any]) -> bool:
    if "pid" in holder and all(holder.get(key) == value for key, value in place().items()):
        started = _process_started(int(holder["pid"]))
        if started != RUNNING or holder.get("process_started") == RUNNING:
            return bool(holder.get("process_started") != started)
    seen = [modified_ms(lock.spark, path) or 0 for path in (lock.path, lock.path + HEARTBEAT)]
    return time.time() - max(seen) / 1000 > STALE_SECONDS


def _process_started(pid: int) -> str | None:
    """When a process of this machine started, in the kernel's ticks, so that a number used again is another process;
    None where there is none, RUNNING where it cannot be seen when (macOS; another user's where /proc hides them)."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[19]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return RUNNING


def _beat(lock: Lock, released: threading.Event) -> None:
    while not released.wait(HEARTBEAT_SECONDS):
        with suppress(Exception):  # the store may be back for the next beat
            if (_holder(lock.spark, lock.path) or {}).get("run") != lock.run:
                return  # another run's by now: this one must not seem to be alive in its stead
            touch(lock.spark, lock.path + HEARTBEAT)
