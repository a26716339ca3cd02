"""Candidates as child processes, each in its own Python, all started before the first round.

Contract
- A child answers or ends; one that ends raises ChildError with the end of its log. `with children:` ends them all.
- `cpu_seconds` is what the child and all its descendants (JVM, Spark's workers) have used: of a child that only waits
  it must not grow.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from candidates.protocol import Task

BENCHMARKS = Path(__file__).parents[1]
LOG_CHARACTERS = 3000
END_SECONDS = 60
OFFLINE = {"HF_HUB_OFFLINE": "1", "SPARK_LOCAL_IP": "127.0.0.1", "TRANSFORMERS_VERBOSITY": "error"}


class ChildError(RuntimeError):
    """A candidate ended without an answer."""


@dataclass(frozen=True, slots=True)
class Child:
    """A running candidate and the file that its standard error goes to."""

    name: str
    process: subprocess.Popen[str]
    log: Path

    @classmethod
    def start(
        cls, candidate: str, task: Task, *, label: str, python: str = sys.executable, package: str = "candidates"
    ) -> Child:
        """Start `python -m package candidate task`. Spark's workers run the same Python, and find the same modules."""
        log = Path(task.scratch, f"{label}.log")
        paths = [str(BENCHMARKS), *filter(None, [os.environ.get("PYTHONPATH")])]
        python_of_spark = {"PYSPARK_PYTHON": python, "PYSPARK_DRIVER_PYTHON": python}
        with log.open("a", encoding="utf-8") as stderr:
            process = subprocess.Popen(
                [python, "-m", package, candidate, json.dumps(asdict(task))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=os.environ | OFFLINE | python_of_spark | {"PYTHONPATH": os.pathsep.join(paths)},
            )
        return cls(label, process, log)

    def facts(self) -> dict[str, Any]:
        """What the child says when it is ready. Called once, before anything is asked."""
        return self._answer()

    def run(self, variant: str, corpus: str, found: Path) -> dict[str, Any]:
        """One round; its mentions go to the file `found`."""
        assert self.process.stdin is not None
        request = {"variant": variant, "corpus": corpus, "found": str(found)}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def cpu_seconds(self) -> float:
        """Processor time of the whole family so far."""
        family = psutil.Process(self.process.pid)
        total = 0.0
        for process in [family, *family.children(recursive=True)]:
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
        return total

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """No more requests: the child ends by itself, or is ended; so do its descendants."""
        family = [] if self.process.poll() is not None else psutil.Process(self.process.pid).children(recursive=True)
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        for left in psutil.wait_procs(family, timeout=END_SECONDS)[1]:
            left.kill()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            told = self.log.read_text(encoding="utf-8", errors="replace")[-LOG_CHARACTERS:]
            raise ChildError(f"{self.name} ended with {self.process.wait()} and no answer; its log ends:\n{told}")
        answer: dict[str, Any] = json.loads(line)
        return answer
