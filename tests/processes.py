"""Processes of a session, as Linux shows them: a program, its children, and theirs."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PATIENCE = 1200.0
"""Seconds after which a program hangs, rather than being slow: a busy machine of two cores takes minutes for a job."""


@contextmanager
def running(command: Sequence[str | Path], *, log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a session of its own; at the end of the block it is killed with all that it started.

    Its words go to `log`. Not to pipes: what it started may outlive it, and whoever reads a pipe to its end waits for
    everybody who holds it.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **options
        )
    try:
        yield process
    finally:
        kill_session(process.pid)
        process.wait()


def processes_of(session_id: int) -> Iterator[Path]:
    """The /proc folders of a session: of spark-submit, the driver's Python, the daemon and its workers."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, session, *_ = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if int(session) == session_id and state != "Z":
            yield folder


def kill_session(session_id: int) -> None:
    """SIGKILL for all of them, as when their machine is lost."""
    with suppress(ProcessLookupError, PermissionError):  # all ended; macOS: a zombie leads the group
        os.killpg(session_id, signal.SIGKILL)
    while living := list(processes_of(session_id)):  # those of other groups, and what these start meanwhile
        for folder in living:
            with suppress(ProcessLookupError):
                os.kill(int(folder.name), signal.SIGKILL)
        time.sleep(0.01)
