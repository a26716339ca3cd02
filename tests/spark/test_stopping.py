"""A run that follows its input ends when it is told to, between two batches; run.json tells of every ending."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from py4j.protocol import Py4JNetworkError
from pyspark.sql import SparkSession

from cardio_ner.errors import AccountError, InputError, NoFileError
from cardio_ner.report.tables import open_tables
from cardio_ner.spark import stream
from cardio_ner.spark.account import RunAccount
from cardio_ner.spark.pipeline import annotate
from cardio_ner.spark.settings import Settings
from cardio_ner.spark.stopping import _hush, stop_on_signals
from processes import PATIENCE, running
from submitting import command, environment, interrupted, write_notes

TEXT = "Ingresa por estenosis aórtica; toma enalapril y aspirina."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files, each a batch of its own."""
    notes = tmp_path / "notes"
    notes.mkdir()
    for number in range(3):
        write_notes(notes / f"{number}.jsonl", [str(number)], TEXT)
        os.utime(notes / f"{number}.jsonl", (1_700_000_000 + number, 1_700_000_000 + number))
    return notes


@pytest.fixture
def settings(two_group_checkpoint: Path) -> Settings:
    return Settings(checkpoints={"es": str(two_group_checkpoint)}, batch_bytes=10)


@pytest.fixture
def database(spark: SparkSession) -> Iterator[str]:
    yield "followed"
    spark.sql("DROP DATABASE IF EXISTS followed CASCADE")


def told(output: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((output / "run.json").read_text(encoding="utf-8")))
    except OSError:  # not there, or being replaced
        return {}


def wait_until(reached: Callable[[], bool], run: Future[RunAccount] | None = None) -> None:
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < deadline
        if run is not None and run.done():
            run.result()
        time.sleep(0.05)


@contextmanager
def following(spark: SparkSession, folder: Path, output: Path, settings: Settings, **options: Any) -> Iterator[Any]:
    """A run that follows a folder in a thread of its own, told to stop at the block's end; what it returns may then be
    asked for."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        options = {"follow_seconds": 0.2, "stop": stop} | options
        run = pool.submit(annotate, spark, str(folder), str(output), settings, **options)
        try:
            yield run
        finally:
            stop.set()


def test_a_run_that_follows_has_its_tables_registered_and_stops_when_it_waits(
    spark: SparkSession, folder: Path, tmp_path: Path, settings: Settings, database: str
) -> None:
    output = tmp_path / "out"
    with following(spark, folder, output, settings, follow_seconds=1, database=database) as run:
        wait_until(lambda: told(output).get("rows") == 3, run)
        assert (told(output)["ending"], told(output)["ended"]) == ("running", None)
        wait_until(lambda: spark.table(f"{database}.documents").count() == 3, run)
    assert run.result(PATIENCE).outcomes() == {"annotated": 3}
    assert (told(output)["ending"], told(output)["error_type"]) == ("stopped", None)
    assert told(output)["ended"]
    assert not (output / "_lock").exists()


def test_a_run_that_follows_reads_what_was_overwritten_before_what_is_newer(
    spark: SparkSession, tmp_path: Path, settings: Settings
) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()

    def write(name: str, text: str, age: int) -> None:
        file = tmp_path / name
        file.write_text(json.dumps({"doc_id": "x", "text": text, "language": "es"}) + "\n", encoding="utf-8")
        os.utime(file, (time.time() - age,) * 2)
        file.rename(folder / name)

    write("yesterday.jsonl", "Uno.", 90)
    with following(spark, folder, output, settings) as run:
        wait_until(lambda: told(output).get("rows") == 1, run)
        write("yesterday.jsonl", "Dos, mended.", 60)
        write("today.jsonl", "Tres.", 30)
        wait_until(lambda: told(output).get("rows") == 3, run)
    assert run.result(PATIENCE).outcomes() == {"annotated": 3}
    current = open_tables(output).execute("SELECT n_chars FROM documents_current").fetchall()
    assert current == [(len("Tres."),)]


def test_a_run_that_follows_waits_for_the_first_file(
    spark: SparkSession, folder: Path, tmp_path: Path, settings: Settings
) -> None:
    empty, output = tmp_path / "empty", tmp_path / "out"
    empty.mkdir()
    (empty / "_copying.jsonl").write_bytes(b"{")
    lines: list[str] = []
    with following(spark, empty, output, settings, log=lines.append) as run:
        wait_until(lambda: bool(lines), run)
        time.sleep(0.5)
        (folder / "0.jsonl").rename(empty / "0.jsonl")
        wait_until(lambda: told(output).get("rows") == 1, run)
    assert run.result(PATIENCE).outcomes() == {"annotated": 1}
    (line,) = lines
    assert "waiting for the first one" in line
    with pytest.raises(NoFileError, match="no file"):  # no run that ends by itself waits
        annotate(spark, str(tmp_path / "out/_state"), str(tmp_path / "other"), settings)


def test_a_run_that_follows_waits_for_the_first_file_to_be_whole(
    spark: SparkSession, tmp_path: Path, settings: Settings
) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    spark.createDataFrame([("a", "Tos")], "doc_id string, text string").coalesce(1).write.parquet(
        str(tmp_path / "made")
    )
    (whole,) = (tmp_path / "made").glob("*.parquet")
    folder.mkdir()
    (folder / "a.parquet").write_bytes(whole.read_bytes()[:100])
    lines: list[str] = []
    with following(spark, folder, output, settings, log=lines.append) as run:
        wait_until(lambda: bool(lines), run)
        (folder / "a.parquet").write_bytes(whole.read_bytes())
        wait_until(lambda: told(output).get("rows") == 1, run)
    assert run.result(PATIENCE).outcomes() == {"annotated": 1}
    assert "none of 1 of its files can be read as parquet" in lines[0]
    (folder / "a.parquet").write_bytes(whole.read_bytes()[:100])
    os.utime(folder / "a.parquet", (0, 0))  # nobody is writing it any more
    with pytest.raises(InputError, match="none of 1 of its files can be read as parquet") as error:
        annotate(spark, str(folder), str(tmp_path / "other"), settings, follow_seconds=0.2)
    assert not isinstance(error.value, NoFileError)


def test_a_run_that_is_stopped_before_a_file_came_says_that_there_was_none(
    spark: SparkSession, tmp_path: Path, settings: Settings
) -> None:
    stop = threading.Event()
    (tmp_path / "empty").mkdir()

    def log(_line: str) -> None:
        stop.set()

    with pytest.raises(NoFileError):
        annotate(
            spark, str(tmp_path / "empty"), str(tmp_path / "out"), settings, follow_seconds=600, stop=stop, log=log
        )


@pytest.mark.parametrize("how", ["stream", "catch-up"])
def test_a_stop_within_a_batch_lets_it_end_and_no_other_begin(
    spark: SparkSession,
    folder: Path,
    tmp_path: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    output, stop, plain = tmp_path / "out", threading.Event(), stream.write_batch

    def stopped_within(job: Any, batch_id: str, pieces: Any) -> None:
        stop.set()
        time.sleep(1)  # were the query ended now, the batch's own jobs would be cancelled
        plain(job, batch_id, pieces)

    monkeypatch.setattr(stream, "write_batch", stopped_within)
    if how == "catch-up":
        monkeypatch.setattr("cardio_ner.spark.pipeline.run_stream", lambda *_, **__: None)
    lines: list[str] = []
    account = annotate(spark, str(folder), str(output), settings, follow_seconds=1, stop=stop, log=lines.append)
    assert account.outcomes() == {"annotated": 1}
    assert lines == []
    assert told(output)["ending"] == "stopped"
    assert list(output.glob("_state/attempts/*")) == []
    monkeypatch.setattr(stream, "write_batch", plain)
    assert annotate(spark, str(folder), str(output), settings).outcomes() == {"annotated": 2}
    assert told(output)["ending"] == "done"


def test_what_is_interrupted_between_two_batches_of_a_run_that_stops_is_no_failure(
    spark: SparkSession, folder: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ending the query interrupts its thread, which may be looking at files just then."""
    output, stop, plain = tmp_path / "out", threading.Event(), stream.is_committed

    def interrupted(spark_: SparkSession, output_: str, batch_id: str) -> bool:
        if (output / "documents").exists():
            stop.set()
            raise OSError("interrupted")
        return plain(spark_, output_, batch_id)

    monkeypatch.setattr(stream, "is_committed", interrupted)
    account = annotate(spark, str(folder), str(output), settings, follow_seconds=1, stop=stop)
    assert account.outcomes() == {"annotated": 1}
    assert told(output)["ending"] == "stopped"


def test_a_run_that_fails_tells_of_the_batches_that_it_committed_and_of_no_earlier_run(
    spark: SparkSession, folder: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, plain, batches = tmp_path / "out", stream.write_batch, []

    def second_fails(job: Any, batch_id: str, pieces: Any) -> None:
        batches.append(batch_id)
        if len(batches) > 1:
            raise AccountError("rows differ")
        plain(job, batch_id, pieces)

    monkeypatch.setattr(stream, "write_batch", second_fails)
    with pytest.raises(AccountError):
        annotate(spark, str(folder), str(output), settings)
    account = told(output)
    assert (account["ending"], account["error_type"], account["rows"]) == ("failed", "AccountError", 1)
    assert account["batches"] == batches[:1]
    with pytest.raises(AccountError):
        annotate(spark, str(folder), str(output), settings)
    assert (told(output)["ending"], told(output)["rows"], told(output)["batches"]) == ("failed", 0, [])


def test_a_failure_of_a_later_batch_is_none_the_less_one_because_the_run_was_to_stop(
    spark: SparkSession, folder: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, plain, batches = threading.Event(), stream.write_batch, []

    def second_fails(job: Any, batch_id: str, pieces: Any) -> None:
        batches.append(batch_id)
        if len(batches) > 1:
            stop.set()
            raise AccountError("rows differ")
        plain(job, batch_id, pieces)

    monkeypatch.setattr(stream, "write_batch", second_fails)
    # What a run that follows does now and then, within its wait for the stream.
    monkeypatch.setattr("cardio_ner.spark.pipeline.run_stream", lambda job, ledger, **_: stream.catch_up(job, ledger))
    with pytest.raises(AccountError):
        annotate(spark, str(folder), str(tmp_path / "out"), settings, follow_seconds=1, stop=stop)
    assert told(tmp_path / "out")["ending"] == "failed"


def test_the_first_signal_sets_the_event_and_a_second_ends_at_once(spark: SparkSession) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        stop = stop_on_signals(spark)
        signal.raise_signal(signal.SIGTERM)
        assert stop.is_set()
        assert {signal.getsignal(number) for number in before} == {signal.SIG_DFL}  # of either kind, the second
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("to_all", [False, True], ids=["SIGTERM to spark-submit", "Ctrl-C in a terminal"])
def test_the_job_that_follows_ends_with_its_account_and_exit_code_0(
    folder: Path, tmp_path: Path, two_group_checkpoint: Path, to_all: bool
) -> None:
    config = tmp_path / "annotate.yaml"
    config.write_text(f"checkpoints:\n  es: {two_group_checkpoint}\n", encoding="utf-8")
    output, log = tmp_path / "out", tmp_path / "log"
    options = ("--input", folder, "--output", output, "--config", config, "--follow", "1")
    job = command(*map(str, options), master="local[1]")
    with running(job, log=log, env=environment()) as process:
        wait_until(lambda: told(output).get("rows") == 3 or process.poll() is not None)
        if to_all:
            os.killpg(process.pid, signal.SIGINT)
        else:
            os.kill(process.pid, signal.SIGTERM)
        process.wait(PATIENCE)
    shown = log.read_text(encoding="utf-8", errors="replace")
    assert process.returncode == 0, shown[-2000:]
    assert "3 rows in 1 batch" in shown
    assert told(output)["ending"] == "stopped"
    assert not (output / "_lock").exists()


def test_after_ctrl_c_nothing_comes_from_threads_of_java_that_end_in_an_error(spark: SparkSession) -> None:
    context: Any = spark.sparkContext
    jvm = context._jvm
    system = jvm.java.lang.System
    level = jvm.org.apache.logging.log4j.LogManager.getRootLogger().getLevel().name()
    stderr, heard = system.err, jvm.java.io.ByteArrayOutputStream()
    system.setErr(jvm.java.io.PrintStream(heard, True))
    try:
        _hush(context)
        jvm.java.lang.RuntimeException("ends late").printStackTrace()
        assert heard.size() == 0
        assert jvm.org.apache.logging.log4j.LogManager.getRootLogger().getLevel().name() == "OFF"
    finally:
        system.setErr(stderr)
        context.setLogLevel(level)


def test_a_query_is_ended_also_where_the_first_line_to_java_comes_to_nothing() -> None:
    query = Mock()
    query.stop.side_effect = [Py4JNetworkError("Answer from Java side is empty"), None]
    stream._stop(query)
    assert query.stop.call_count == 2


def test_ctrl_c_ends_a_run_within_its_batch_with_one_line_and_exit_code_130(
    folder: Path, tmp_path: Path, two_group_checkpoint: Path
) -> None:
    config = tmp_path / "annotate.yaml"
    config.write_text(f"checkpoints:\n  es: {two_group_checkpoint}\n", encoding="utf-8")
    output = tmp_path / "out"
    job = command("--input", str(folder), "--output", str(output), "--config", str(config), master="local[1]")
    code, said = interrupted(job, log=tmp_path / "log", when=lambda: list(output.glob("_state/attempts/b*-0")))
    assert said == ["interrupted: what is committed stays; the same command goes on from there"]
    assert code == 130
    assert told(output)["ending"] == "failed"
    assert not (output / "_lock").exists()
    assert not list(output.glob("documents/*"))
