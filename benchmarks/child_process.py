"""A process of its own for each candidate, kept through interleaved rounds: `Child` runs functions there, in turn.

Contract
- Settings that are read when a process starts (allocator, OpenMP) are given as `environment`.
- An idle child waits for work without turning: OMP_WAIT_POLICY is PASSIVE for all.
- `timed` is a call's time by the clock and by the processor, and the memory resident after it.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0", "TOKENIZERS_PARALLELISM": "false"}


@dataclass(frozen=True, slots=True)
class Timed:
    """Seconds of one call, all threads' processor time in `cpu_seconds`; megabytes resident after it."""

    wall_seconds: float
    cpu_seconds: float
    resident_mb: float


def timed(work: Callable[[], object]) -> Timed:
    """Do the work, and say what it took."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Timed(time.perf_counter() - wall, time.process_time() - cpu, resident_mb())


def resident_mb() -> float:
    """Megabytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


class Child:
    """A fresh Python process; leave the `with` block to end it."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._pool = ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn"))
        before = dict(os.environ)
        os.environ.update({**PASSIVE, **(environment or {})})
        try:
            self._pool.submit(os.getpid).result()
        finally:
            os.environ.clear()
            os.environ.update(before)

    def start(self, function: Callable[..., Any], *arguments: object) -> Future[Any]:
        """Begin the call there."""
        return self._pool.submit(function, *arguments)

    def __call__(self, function: Callable[..., Any], *arguments: object) -> Any:
        """Call the function there, and wait for what it returns."""
        return self.start(function, *arguments).result()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()
