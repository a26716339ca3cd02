"""What the processes of a Spark job on one machine take, by role: memory and processor time. Linux alone.

Contract
- Roles: `driver` (the Python process that is watched), `jvm` (Spark's: on a local master driver and executor in one, in
  a cluster on this machine the driver's and each executor's), `daemon` (Spark's parent of workers) and `worker`
  (Python, forked from it).
- The peak of a process is the kernel's own high-water mark (VmHWM), so none is missed between two looks; only what a
  process took after the last look before its end is. A role's peak is that of its largest process.
- Processor time is that of all processes of a role, also of those that ended.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, get_args

import psutil

LOOK_SECONDS = 0.5
Role = Literal["driver", "jvm", "daemon", "worker"]
ROLES: tuple[Role, ...] = get_args(Role)
JVMS = {"org.apache.spark.deploy.SparkSubmit", "org.apache.spark.executor.CoarseGrainedExecutorBackend"}
"""Main classes of the driver and of an executor."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One look: resident bytes of each role's processes together, and processor seconds up to now."""

    seconds: float
    resident_bytes: dict[Role, int]
    processor_seconds: dict[Role, float]


class Watch:
    """`with Watch(pid) as watch:` looks at a process and its descendants every LOOK_SECONDS."""

    def __init__(self, pid: int) -> None:
        self.moments: list[Moment] = []
        self._root = psutil.Process(pid)
        self._started = time.monotonic()
        self._seconds: dict[tuple[Role, int], float] = {}
        self._peaks: dict[Role, int] = defaultdict(int)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    @property
    def peaks_bytes(self) -> dict[Role, int]:
        """The most that one process of each role has had."""
        return dict(self._peaks)

    def look(self) -> Moment:
        """What there is now."""
        with self._lock:
            resident: dict[Role, int] = defaultdict(int)
            for process in self._tree():
                with suppress(psutil.Error, OSError):  # it has ended meanwhile
                    role = role_of(process, self._root)
                    if role is None:
                        continue
                    memory = memory_of(process.pid)
                    times = process.cpu_times()
                    resident[role] += memory.get("VmRSS", 0)
                    self._peaks[role] = max(self._peaks[role], memory.get("VmHWM", 0))
                    self._seconds[role, process.pid] = times.user + times.system
            spent: dict[Role, float] = defaultdict(float)
            for (role, _), seconds in self._seconds.items():
                spent[role] += seconds
            self.moments.append(Moment(time.monotonic() - self._started, dict(resident), dict(spent)))
            return self.moments[-1]

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _go_on(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self.look()

    def _tree(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return [self._root, *self._root.children(recursive=True)]
        return []


def role_of(process: psutil.Process, root: psutil.Process) -> Role | None:
    """What a process of the tree is: a worker has the daemon's command line, and the daemon for a parent. None for
    those that only start another, which for a moment may have their parent's memory."""
    if process.pid == root.pid:
        return "driver"
    if not _is_daemon(process):
        return "jvm" if JVMS & set(process.cmdline()) else None
    parent = process.parent()
    return "worker" if parent is not None and _is_daemon(parent) else "daemon"


def memory_of(pid: int) -> dict[str, int]:
    """Bytes in the lines of /proc/PID/status that tell kB; VmHWM is the peak of VmRSS. A process that has ended,
    and was not waited for, has none."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    told = (line.partition(":") for line in lines if line.endswith(" kB"))
    return {name: int(value.split()[0]) * 1024 for name, _, value in told}


def _is_daemon(process: psutil.Process) -> bool:
    return "pyspark.daemon" in process.cmdline()
