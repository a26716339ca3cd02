"""Processes of a session, as Linux shows them: a program, its children, and theirs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def processes_of(session_id: int) -> Iterator[Path]:
    """The /proc folders of a session: of spark-submit, the driver's Python, the daemon and its workers."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if int(fields[3]) == session_id:
            yield folder


def kill_session(session_id: int) -> None:
    """SIGKILL for all of them, as when their machine is lost."""
    for folder in processes_of(session_id):
        with suppress(ProcessLookupError):
            os.kill(int(folder.name), signal.SIGKILL)
