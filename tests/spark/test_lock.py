"""One run at a time: the second is refused, the dead are recognised."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from cardio_ner.errors import InputError, LockError
from cardio_ner.spark import lock as lock_module
from cardio_ner.spark.hadoop import modified_ms
from cardio_ner.spark.lock import STALE_SECONDS, Lock, output_lock, place
from processes import PATIENCE


def wait_for(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def forge(output: Path, **holder: object) -> Path:
    """A lock that another run holds."""
    output.mkdir(exist_ok=True)
    lock = output / "_lock"
    lock.write_text(json.dumps({"run": "other", "since": "2026-01-01T00:00:00+00:00"} | holder))
    return lock


def assert_its_heartbeat_decides(spark: SparkSession, lock: Path) -> None:
    """The lock is held while its heart beats, and is taken over later."""
    output = str(lock.parent)
    with pytest.raises(LockError, match="held by run other"):
        output_lock(spark, output).__enter__()
    long_ago = time.time() - STALE_SECONDS - 5
    os.utime(lock, (long_ago, long_ago))
    with output_lock(spark, output):
        pass


def test_a_second_run_is_refused_and_told_whose_lock_it_is(spark: SparkSession, tmp_path: Path) -> None:
    with output_lock(spark, str(tmp_path)) as lock:
        with pytest.raises(LockError, match=rf"held by run {lock.run} \(host .*, pid {os.getpid()}, since 20"):
            output_lock(spark, str(tmp_path)).__enter__()
        lock.check()
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_process_that_is_gone_is_taken_over(spark: SparkSession, tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    forge(tmp_path, **place(), pid=gone.pid, process_started="1")
    with output_lock(spark, str(tmp_path)):
        pass
    forge(tmp_path, **place(), pid=os.getpid(), process_started="another process had my number")
    with output_lock(spark, str(tmp_path)):
        assert json.loads((tmp_path / "_lock").read_text())["pid"] == os.getpid()


def test_a_process_that_this_user_cannot_see_is_judged_by_its_heartbeat(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/proc mounted with hidepid, and the lock another user's."""
    real = Path.read_text

    def hidden(self: Path, *arguments: str, **options: str) -> str:
        if self == Path("/proc/1/stat"):
            raise PermissionError(self)
        return real(self, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", hidden)
    lock = forge(tmp_path, **place(), pid=1, process_started="17")
    assert_its_heartbeat_decides(spark, lock)


@pytest.mark.parametrize("elsewhere", [{"boot": "another"}, {"pid_namespace": "pid:[1]"}, {"boot": None}])
def test_a_pid_says_nothing_where_only_the_hosts_name_is_the_same(
    spark: SparkSession, tmp_path: Path, elsewhere: dict[str, str | None]
) -> None:
    """Two containers of one name, two machines of one name: the heartbeat alone decides."""
    lock = forge(tmp_path, **(place() | elsewhere), pid=2**22 + 1, process_started="1")
    assert_its_heartbeat_decides(spark, lock)


def test_a_lock_that_found_no_room_on_the_disk_is_not_left_behind(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fdopen

    def on_a_full_disk(descriptor: int, *_: object, **__: object) -> Any:
        os.close(descriptor)
        return real(os.open("/dev/full", os.O_WRONLY), "w")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdopen", on_a_full_disk)
        with pytest.raises(InputError, match=r"OSError: expected a folder .*, and room on its disk"):
            output_lock(spark, str(tmp_path)).__enter__()
    with output_lock(spark, str(tmp_path)):
        pass


@pytest.mark.parametrize("judged", ['{"run": "dead"}', '{"run": "de'])
def test_the_lock_of_a_run_that_was_quicker_is_put_back(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, judged: str
) -> None:
    lock = tmp_path / "_lock"
    lock.write_text(judged)
    os.utime(lock, (1, 1))
    plain = lock_module._is_stale

    def taken_meanwhile(mine: Lock, holder: dict[str, object]) -> bool:
        stale = plain(mine, holder)
        if stale:
            forge(tmp_path, host="another-machine", pid=1)
        return stale

    monkeypatch.setattr(lock_module, "_is_stale", taken_meanwhile)
    with pytest.raises(LockError, match="held by run other"):
        output_lock(spark, str(tmp_path)).__enter__()
    assert json.loads(lock.read_text())["run"] == "other"
    assert [path.name for path in tmp_path.iterdir() if "stale" in path.name] == []


def test_the_lock_of_another_machine_is_stale_when_its_heart_stopped(spark: SparkSession, tmp_path: Path) -> None:
    lock = forge(tmp_path, host="another-machine", pid=1)
    with pytest.raises(LockError, match="another-machine"):
        output_lock(spark, str(tmp_path)).__enter__()
    long_ago = time.time() - STALE_SECONDS - 5
    os.utime(lock, (long_ago, long_ago))
    (tmp_path / "_lock.heartbeat").touch()
    with pytest.raises(LockError, match="another-machine"):
        output_lock(spark, str(tmp_path)).__enter__()
    os.utime(tmp_path / "_lock.heartbeat", (long_ago, long_ago))
    with output_lock(spark, str(tmp_path)):
        pass


def test_a_lock_killed_while_it_was_written_is_stale_by_its_age_only(spark: SparkSession, tmp_path: Path) -> None:
    lock = tmp_path / "_lock"
    lock.write_text('{"run": "ot')
    with pytest.raises(LockError):
        output_lock(spark, str(tmp_path)).__enter__()
    os.utime(lock, (1, 1))
    with output_lock(spark, str(tmp_path)):
        pass


def test_a_run_that_was_taken_for_dead_writes_nothing_more(spark: SparkSession, tmp_path: Path) -> None:
    with output_lock(spark, str(tmp_path)) as lock:
        forge(tmp_path, host="another-machine", pid=1)
        with pytest.raises(LockError, match="lost it to run other"):
            lock.check()
    assert json.loads((tmp_path / "_lock").read_text())["run"] == "other"


def test_the_heartbeat_is_there_all_the_while_and_stops_when_the_lock_is_another_s(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_module, "HEARTBEAT_SECONDS", 0.02)
    heartbeat = tmp_path / "_lock.heartbeat"
    with output_lock(spark, str(tmp_path)):
        wait_for(heartbeat.exists)
        first = heartbeat.stat()
        wait_for(lambda: heartbeat.stat().st_mtime_ns > first.st_mtime_ns)
        assert heartbeat.stat().st_ino == first.st_ino  # another file would mean a moment without any
        forge(tmp_path, host="another-machine", pid=1)
        time.sleep(0.2)
        last = heartbeat.stat().st_mtime_ns
        time.sleep(0.3)
        assert heartbeat.stat().st_mtime_ns == last


def test_a_file_that_is_gone_has_no_time(spark: SparkSession, tmp_path: Path) -> None:
    assert modified_ms(spark, str(tmp_path / "gone")) is None
