"""Memory and processor time of a process and its children, as the kernel tells them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from process_usage import JVMS, Watch, memory_of, role_of

PEAK_BYTES = 300 * 2**20
WORK = f"""
import sys
peak = bytearray({PEAK_BYTES})
for place in range(0, len(peak), 4096): peak[place] = 1
del peak
print("done", flush=True)
sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")


@contextmanager
def child(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def test_a_peak_that_is_over_is_still_seen() -> None:
    with child("-c", WORK) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        with Watch(process.pid) as watch:
            now = watch.look()
    assert watch.peaks_bytes["driver"] >= PEAK_BYTES
    assert now.resident_bytes["driver"] < PEAK_BYTES


def test_processor_time_of_a_process_that_ended_is_kept() -> None:
    with child("-c", "while True: pass") as process:
        watch = Watch(process.pid)
        while watch.look().processor_seconds["driver"] < 0.05:
            time.sleep(0.05)
        process.kill()
        process.wait()
        assert watch.look().processor_seconds["driver"] >= 0.05


def test_workers_are_known_by_the_daemon_that_they_were_forked_from(tmp_path: Path) -> None:
    daemon = tmp_path / "pyspark.daemon"
    daemon.write_text("import os, sys; os.fork() and print('forked', flush=True); sys.stdin.read()", encoding="utf-8")
    code = f"import subprocess, sys; subprocess.run([sys.executable, 'pyspark.daemon'], cwd={str(tmp_path)!r})"
    with child("-c", code) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "forked\n"
        root = psutil.Process(process.pid)
        assert sorted(role_of(each, root) or "" for each in [root, *root.children(recursive=True)]) == [
            "daemon",
            "driver",
            "worker",
        ]


@pytest.mark.parametrize("main", sorted(JVMS))
def test_a_jvm_is_known_by_its_main_class(main: str) -> None:
    with child("-c", "import sys; print('started', flush=True); sys.stdin.read()", main) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"  # before that it may have no command line yet
        assert role_of(psutil.Process(process.pid), psutil.Process()) == "jvm"


def test_a_process_that_is_neither_is_left_out() -> None:
    assert role_of(psutil.Process(), psutil.Process(os.getppid())) is None


def test_memory_is_in_bytes() -> None:
    told = memory_of(os.getpid())
    assert told["VmHWM"] >= told["VmRSS"] > 10 * 2**20
