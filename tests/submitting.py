"""How tests run the job: spark-submit in a process group of its own, as a data engineer would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from processes import PATIENCE, processes_of, running

ROOT = Path(__file__).parents[1]
SUBMIT = Path(sys.executable).with_name("spark-submit")


def command(
    *arguments: str, master: str = "local[2]", confs: tuple[str, ...] = (), job: str = "annotate.py"
) -> list[str]:
    """The command line of the job."""
    quiet = f"-Dlog4j2.configurationFile={ROOT / 'conf/spark/log4j2-quiet.properties'}"
    options = ["--master", master, "--properties-file", ROOT / "conf/spark/local.conf", "--driver-java-options", quiet]
    options += [part for conf in confs for part in ("--conf", conf)]
    return [str(part) for part in (SUBMIT, *options, ROOT / "jobs" / job, *arguments)]


def environment() -> dict[str, str]:
    """This process's, with Spark's Python and its address."""
    return os.environ | {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}


def submit(
    *arguments: str, master: str = "local[2]", confs: tuple[str, ...] = (), cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run the job to its end."""
    return subprocess.run(
        command(*arguments, master=master, confs=confs), capture_output=True, text=True, env=environment(), cwd=cwd,
        timeout=PATIENCE, check=False,
    )  # fmt: skip


@contextmanager
def stopped(*arguments: str, when: Callable[[], bool]) -> Iterator[bool]:
    """A run of the job that stands still from the moment that `when` is true; SIGKILL for all of it with the end of
    the block. False if it ended before."""
    deadline = time.monotonic() + PATIENCE
    # One core: a second Python worker would cost more than all that these runs do.
    with running(command(*arguments, master="local[1]"), log=Path(os.devnull), env=environment()) as process:
        while not (reached := when()) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        for folder in processes_of(process.pid):
            with suppress(ProcessLookupError):  # it ended meanwhile
                os.kill(int(folder.name), signal.SIGSTOP)
        yield reached


def interrupted(job: list[str], *, log: Path, when: Callable[[], object]) -> tuple[int, list[str]]:
    """Ctrl-C for a command line from the moment that `when` is true: its exit code, and what it said but for Java's
    notes."""
    deadline = time.monotonic() + PATIENCE
    with running(job, log=log, env=environment()) as process:
        while not when() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(PATIENCE)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return process.returncode, [line for line in lines if line.strip() and not line.startswith(("NOTE", "WARNING"))]


def write_notes(path: Path, ids: list[str], text: str) -> None:
    """A file of JSON lines, one Spanish record an id."""
    records = [{"doc_id": i, "language": "es", "text": f"{text} Nota {i}."} for i in ids]
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
