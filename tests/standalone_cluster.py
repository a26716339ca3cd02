"""A standalone Spark cluster on loopback: a master, two workers, and jobs submitted to it.

All are started as the image starts them, by docker/entrypoint.sh; authentication and encryption are on, by the conf
file that ships, with a secret made here. No process inherits the checkout's Python path, and executors run a Python
that has the dependencies alone.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyspark

from processes import PATIENCE, running

ROOT = Path(__file__).parents[1]
SPARK_HOME = Path(pyspark.__file__).parent
CONF = ROOT / "conf/spark/standalone-cpu.conf"
ENTRYPOINT = ROOT / "docker/entrypoint.sh"
SMALL = {"spark.executor.cores": "1", "spark.executor.memory": "600m", "spark.driver.memory": "1g"}
"""What does not fit here of the sizes that ship."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster. Logs and work folders of its daemons lie under `folder`."""

    url: str
    secret: str
    folder: Path
    workers: tuple[subprocess.Popen[bytes], ...]
    environment: dict[str, str]
    stack: ExitStack

    def submit(self, *arguments: str | Path, cwd: Path, **environment: str | Path) -> subprocess.Popen[bytes]:
        """spark-submit in client mode, started; its output goes to cwd/log. Nothing of it outlives the cluster."""
        sizes = [f"--conf={key}={value}" for key, value in SMALL.items()]
        command = [ENTRYPOINT, "submit", "--master", self.url, "--properties-file", CONF, *sizes, *arguments]
        variables = self.environment | {key: str(value) for key, value in environment.items()}
        return _process(command, cwd=cwd, log=cwd / "log", environment=variables, stack=self.stack)


def wait_until(condition: Callable[[], object], what: str, *, seconds: float = PATIENCE) -> None:
    """Return as soon as it is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.1)


def dependencies_alone(folder: Path) -> Path:
    """The Python of a new environment: all that this one has, but neither the checkout nor an installed cardio-ner."""
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    # A plain line, not a site directory: the checkout's own editable install is not followed.
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = folder / "bin/python"
    found = subprocess.run([python, "-c", "import cardio_ner"], cwd=folder, env={}, capture_output=True, check=False)
    assert b"No module named 'cardio_ner'" in found.stderr
    return python


@contextmanager
def started(folder: Path, python: Path) -> Iterator[Cluster]:
    """A master and two workers of one core, until the end of the block."""
    secret = secrets.token_urlsafe(32)
    environment = _environment(folder, secret, python)
    with ExitStack() as stack:
        master = _daemon("master", "--port", "0", folder=folder, environment=environment, stack=stack)
        log = folder / "master.log"
        wait_until(lambda: _url(log), "the master")
        url = _url(log)
        names = ("worker-1", "worker-2")
        size = ("--cores", "1", "--memory", "1g")
        workers = tuple(
            _daemon(name, *size, "--work-dir", folder / name, url, folder=folder, environment=environment, stack=stack)
            for name in names
        )
        registered = "Successfully registered with master"
        wait_until(lambda: all(registered in (folder / f"{name}.log").read_text() for name in names), "two workers")
        assert master.poll() is None
        yield Cluster(url, secret, folder, workers, environment, stack)


def _environment(folder: Path, secret: str, python: Path) -> dict[str, str]:
    """The variables of daemons and drivers."""
    secret_file = folder / "secret"
    secret_file.touch(mode=0o600)
    secret_file.write_text(f"{secret}\n")
    foreign = ("PYTHON", "PYSPARK_", "SPARK_")
    return {key: value for key, value in os.environ.items() if not key.startswith(foreign)} | {
        "SPARK_HOME": str(SPARK_HOME),
        "SPARK_SECRET_FILE": str(secret_file),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": str(python),
        "PYSPARK_DRIVER_PYTHON": str(python),
        "TMPDIR": str(folder),
    }


def _daemon(
    name: str, *arguments: str | Path, folder: Path, environment: dict[str, str], stack: ExitStack
) -> subprocess.Popen[bytes]:
    """A master or a worker, its output in folder/NAME.log."""
    kind = name.partition("-")[0]
    command = [ENTRYPOINT, kind, "--host", "127.0.0.1", "--webui-port", "0", *arguments]
    return _process(command, cwd=folder, log=folder / f"{name}.log", environment=environment, stack=stack)


def _process(
    command: Sequence[str | Path], *, cwd: Path, log: Path, environment: dict[str, str], stack: ExitStack
) -> subprocess.Popen[bytes]:
    """A process in a session of its own, killed with all its children when the stack is unwound."""
    return stack.enter_context(running(command, log=log, cwd=cwd, env=environment))


def _url(log: Path) -> str:
    found = re.search(r"Starting Spark master at (spark://\S+)", log.read_text())
    return found[1] if found else ""


def built_zip(folder: Path) -> Path:
    """What `make dist` makes for --py-files: the wheel under the name of a zip."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(build, check=True, capture_output=True, timeout=PATIENCE)
    (wheel,) = folder.glob("*.whl")
    return wheel.rename(folder / "cardio_ner.zip")
