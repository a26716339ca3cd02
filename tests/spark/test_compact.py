"""Compaction: fewer files, the same answers in both engines, and no moment at which a kill does harm."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from cardio_ner.errors import AccountError, InputError, LockError, RunError
from cardio_ner.report import tables as duckdb_tables
from cardio_ner.spark import catalog, compact
from hand_tables import Row, day, document, rejected, span, unchanged, write_documents, write_spans
from processes import PATIENCE, running

QUERIES = (
    "SELECT doc_id, text_sha256, start_offset, end_offset, text, score, model_id, language, entity_type "
    "FROM spans_current",
    "SELECT n.note_nlp_id, n.note_id, n.offset, n.lexical_variant, n.nlp_system, CAST(n.nlp_datetime AS STRING), "
    "n.term_modifiers FROM note_nlp AS n",
)
WARD = pa.schema([("ward", pa.string()), ("superseded", pa.string())])  # a name that compaction once had a use for
# Every way in which a document can come again. n_spans is true: compaction counts.
DOCUMENTS: list[Row] = [
    document("1", "b1-0", at=1),
    document("2", "b1-0", at=1, source_modified_at=day(1)),
    document("2", "b1-0", at=1, text="B", source_modified_at=day(2)),
    document("3", "b1-0", at=1),
    document("4", "b1-0", at=1),
    unchanged("4", "b1-0", at=1, source="b1-0"),
    document("5", "b1-0", at=1),
    document("6", "b1-0", at=1, language="it"),
    rejected(None, "b1-0", at=1),
    document("1", "b2-0", at=2, text="B", n_spans=2),
    unchanged("2", "b2-0", at=2, source="b1-0"),
    document("3", "b2-0", at=2, annotator_version="0.2.0"),  # tagged again: skip_unchanged was off
    document("5", "b2-0", at=2, model_id="m2"),
    document("6", "b2-0", at=2),  # the same text and model in another language
    unchanged("1", "b3-0", at=3, source="b1-0"),
    rejected("4", "b3-0", at=3),
    unchanged("3", "b3-0", at=3, source="b1-0"),  # of the first of two copies
    document("7", "b3-0", at=3, n_spans=0),
    unchanged("6", "b3-0", at=3, source="b1-0", language="it"),
]
SPANS: list[Row] = [
    span("1", "b1-0", "uno"),
    span("2", "b1-0", "dos"),
    span("2", "b1-0", "dos, second text", of="B"),
    span("3", "b1-0", "tres"),
    span("4", "b1-0", "cuatro"),
    span("5", "b1-0", "cinco"),
    span("6", "b1-0", "sei", language="it"),
    span("1", "b2-0", "one", of="B"),
    span("1", "b2-0", "ones", of="B", start=9, entity_type="MEDICATION"),
    span("3", "b2-0", "tres again", score=0.75),
    span("5", "b2-0", "cinco of m2", model_id="m2"),
    span("6", "b2-0", "seis"),
]
HALF_WRITTEN = span("1", "b4-0", "half")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Three batches of two files each, one that was never committed, and a ledger."""
    folder = tmp_path / "out [1]"
    write_documents(folder, *DOCUMENTS[::2])
    write_documents(folder, *DOCUMENTS[1::2], kept=WARD)
    write_spans(folder, *SPANS, HALF_WRITTEN)
    for number in (1, 2, 3):
        (folder / f"inputs/batch_id=b{number}-0").mkdir(parents=True)
        rows = pa.table({"stream": ["s"], "path": [f"file {number}"], "n_rows": [5]})
        pq.write_table(rows, folder / f"inputs/batch_id=b{number}-0/part-0.parquet")
    return folder


def in_duckdb(output: Path) -> list[list[tuple]]:
    tables = duckdb_tables.open_tables(output)
    return [sorted(tables.execute(query).fetchall(), key=str) for query in QUERIES]


def in_spark(spark: SparkSession, output: Path) -> list[list[tuple]]:
    catalog.open_tables(spark, str(output))
    return [sorted((tuple(row) for row in spark.sql(query).collect()), key=str) for query in QUERIES]


def documents_of(output: Path) -> Counter[tuple[Any, ...]]:
    """All rows of documents, but for the names of batches."""
    rows = duckdb_tables.open_tables(output).execute("SELECT * EXCLUDE (batch_id, source_batch) FROM documents")
    return Counter(rows.fetchall())


def folders(output: Path) -> set[str]:
    return {str(path.relative_to(output)) for path in output.rglob("*") if path.is_dir()}


def test_after_compaction_both_engines_answer_as_before_from_fewer_files(spark: SparkSession, output: Path) -> None:
    before, rows = in_duckdb(output), documents_of(output)
    assert in_spark(spark, output) == before
    assert {row[4] for row in before[0]} == {"uno", "dos", "tres", "cinco of m2", "sei"}
    made = compact.compact(spark, str(output))
    assert made is not None
    assert made.merges == ("b1-0", "b2-0", "b3-0")
    assert made.n_files < made.n_files_before
    assert in_duckdb(output) == in_spark(spark, output) == before
    assert documents_of(output) == rows


def test_what_is_left_is_the_merged_batch_the_ledger_and_nothing_else(spark: SparkSession, output: Path) -> None:
    made = compact.compact(spark, str(output))
    assert made is not None
    batch = f"batch_id={made.batch_id}"
    left = {name for name in folders(output) if "batch_id=" in name}
    assert left == {
        f"documents/{batch}",
        f"inputs/{batch}",
        f"spans/language=es/entity_type=DISEASE/{batch}",
        f"spans/language=es/entity_type=MEDICATION/{batch}",
        f"spans/language=it/entity_type=DISEASE/{batch}",
        "spans/language=es/entity_type=DISEASE/batch_id=b4-0",  # never committed: not compaction's
    }
    assert not list(output.glob("_staging/*")) + list(output.glob("_state/*"))
    ledger = duckdb.connect().execute(f"SELECT path FROM '{str(output).replace('[', '[[]')}/inputs/*/*.parquet'")
    assert sorted(ledger.fetchall()) == [("file 1",), ("file 2",), ("file 3",)]


def test_mentions_found_twice_are_kept_once_and_every_source_batch_names_the_merged_one(
    spark: SparkSession, output: Path
) -> None:
    made = compact.compact(spark, str(output))
    assert made is not None
    tables = duckdb_tables.open_tables(output)
    texts = tables.execute("SELECT text FROM spans WHERE batch_id = ? ORDER BY text", [made.batch_id]).fetchall()
    assert [text for (text,) in texts] == sorted(str(row["text"]) for row in SPANS if row["text"] != "tres again")
    sources = tables.execute(
        "SELECT DISTINCT doc_id, status, source_batch FROM documents WHERE source_batch IS NOT NULL"
    )
    assert set(sources.fetchall()) == {
        *((doc_id, "unchanged", made.batch_id) for doc_id in ("1", "2", "3", "4", "6")),
        ("3", "annotated", made.batch_id),  # its own mentions were left out
    }


def test_of_copies_that_tie_the_mentions_of_the_one_that_was_tagged_are_kept(
    spark: SparkSession, tmp_path: Path
) -> None:
    """A row whose language is detected is tagged beside one whose language was given, and is known."""
    write_documents(
        tmp_path,
        document("d", "b9-0", at=1, language_source="given"),
        unchanged("d", "b1-0", at=2, source="b9-0", language_source="given"),
        document("d", "b1-0", at=2, language_source="detected", annotator_version="0.2.0"),
    )
    write_spans(tmp_path, span("d", "b9-0", "first"), span("d", "b1-0", "again"))
    before = in_duckdb(tmp_path)
    assert compact.compact(spark, str(tmp_path)) is not None
    assert in_duckdb(tmp_path) == before
    assert [row[4] for row in before[0]] == ["again"]


def test_compacted_again_with_a_new_batch_it_still_answers_alike_and_alone_it_does_nothing(
    spark: SparkSession, output: Path
) -> None:
    first = compact.compact(spark, str(output))
    assert first is not None
    assert first.batch_id.endswith("-0")
    assert compact.compact(spark, str(output)) is None
    write_documents(output, unchanged("3", "b9-0", at=9, source=first.batch_id), document("8", "b9-0", at=9))
    write_spans(output, span("8", "b9-0", "ocho"))
    before, rows = in_duckdb(output), documents_of(output)
    second = compact.compact(spark, str(output))
    assert second is not None
    assert second.batch_id.startswith("c")
    assert second.batch_id.endswith("-1")
    assert in_duckdb(output) == in_spark(spark, output) == before
    assert documents_of(output) == rows


def test_an_output_without_any_mention_is_compacted(spark: SparkSession, tmp_path: Path) -> None:
    write_documents(tmp_path, rejected("1", "b1-0", at=1), rejected("1", "b2-0", at=2))
    rows = documents_of(tmp_path)
    assert compact.compact(spark, str(tmp_path)) is not None
    assert in_duckdb(tmp_path) == in_spark(spark, tmp_path) == [[], []]
    assert documents_of(tmp_path) == rows


CHANGES = ("write_text", "put_spans", "put_rows", "remove", "remove_spans", "remove_staging")
"""Whatever compaction does to the output, it does by these."""
BEFORE_MARK = {"the plan is written": 2, "spans are in place": 3, "the ledger is": 4, "documents are": 5}
"""At which change it is killed, so that this was the last thing done. (The first removes a stray mark.)"""


class Killed(BaseException):
    """Stands for a kill: nothing in the code may catch it."""


@contextmanager
def killed_at(change: int) -> Iterator[list[str]]:
    """Within it, compaction is killed just before its n-th change; the names of those done are in the list."""
    done: list[str] = []

    def until(name: str, real: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if len(done) + 1 == change:
            raise Killed
        done.append(name)
        return real(*arguments, **options)

    with pytest.MonkeyPatch.context() as patched:
        for name in CHANGES:
            patched.setattr(compact, name, partial(until, name, getattr(compact, name)))
        try:
            yield done
        except Killed:
            done.append("killed")


def recover_killed_at_every_change(spark: SparkSession, output: Path, answers: list[list[tuple]]) -> None:
    """Recover, killed at its first change, then its second, and so on until it is done; the answers never change."""
    for change in range(1, 50):
        with killed_at(change) as done:
            compact.recover(spark, str(output))
        assert in_duckdb(output) == answers, done
        if "killed" not in done:
            return
    pytest.fail("recover does not end")


@pytest.mark.parametrize("point", BEFORE_MARK)
def test_killed_before_the_mark_it_is_undone_whatever_kills_the_recovery(
    point: str, spark: SparkSession, output: Path
) -> None:
    answers, rows, before = in_duckdb(output), documents_of(output), folders(output)
    with killed_at(BEFORE_MARK[point] + 1) as done:
        compact.compact(spark, str(output))
    assert done[-1] == "killed"
    assert "documents/batch_id=b1-0" in folders(output)
    assert (len(list(output.glob("documents/*"))) == 4) == (point == "documents are")
    assert in_duckdb(output) == answers
    recover_killed_at_every_change(spark, output, answers)
    assert documents_of(output) == rows
    assert folders(output) - before == {"_state"}
    assert not list(output.glob("_state/*"))


def test_killed_after_the_mark_it_is_finished_whatever_kills_the_recovery(spark: SparkSession, output: Path) -> None:
    answers, rows = in_duckdb(output), documents_of(output)
    with killed_at(max(BEFORE_MARK.values()) + 2) as done:
        compact.compact(spark, str(output))
    assert done[-2:] == ["write_text", "killed"]
    recover_killed_at_every_change(spark, output, answers)
    assert documents_of(output) == rows
    assert len(list(output.glob("documents/*"))) == 1
    assert not list(output.glob("_staging/*")) + list(output.glob("_state/*"))


def test_a_compaction_whose_process_is_killed_is_undone_by_the_next(spark: SparkSession, output: Path) -> None:
    answers, rows = in_duckdb(output), documents_of(output)
    script = f"""
import os, signal
from pyspark.sql import SparkSession
from cardio_ner.spark import compact
compact._check_rows = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", False).getOrCreate()
compact.compact(spark, {str(output)!r})
"""
    environment = os.environ | {"SPARK_LOCAL_IP": "127.0.0.1"}
    log = output.parent / "log"
    with running([sys.executable, "-c", script], log=log, env=environment) as process:  # its JVM outlives it
        assert process.wait(PATIENCE) == -signal.SIGKILL, log.read_text(errors="replace")[-2000:]
    assert len(list(output.glob("documents/batch_id=*"))) == 4  # the merged batch and the old ones
    assert in_duckdb(output) == answers
    assert compact.compact(spark, str(output)) is not None
    assert in_duckdb(output) == answers
    assert documents_of(output) == rows


def test_a_plan_that_was_cut_short_before_anything_was_done_is_none(spark: SparkSession, output: Path) -> None:
    """As by a lost power supply; with the mark there, nobody knows what was merged."""
    answers = in_duckdb(output)
    plan, mark = output / compact.PLAN, output / compact.MARK
    plan.parent.mkdir(exist_ok=True)
    plan.write_text("{", encoding="utf-8")
    compact.recover(spark, str(output))
    assert not plan.exists()
    plan.write_text("{", encoding="utf-8")
    mark.write_text("", encoding="utf-8")
    with pytest.raises(RunError, match=r"compaction\.json: cut short: expected the plan of a compaction"):
        compact.recover(spark, str(output))
    assert in_duckdb(output) == answers


def test_a_compaction_that_would_lose_a_row_is_undone_and_says_so(
    spark: SparkSession, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, before = in_duckdb(output), folders(output) - {"_state", "_staging"}
    real = compact.write_rows
    with monkeypatch.context() as patched:
        patched.setattr(
            compact,
            "write_rows",
            lambda frame, table, *rest: real(
                frame.where("NOT doc_id <=> '7'") if table == "documents" else frame, table, *rest
            ),
        )
        with pytest.raises(AccountError, match=r"18 of 19 documents and 11 of 11 mentions"):
            compact.compact(spark, str(output))
    assert in_duckdb(output) == answers
    assert folders(output) - {"_state", "_staging"} == before


def test_a_compaction_that_lost_its_lock_while_it_wrote_puts_nothing_in_place(
    spark: SparkSession, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, rows, before, real = in_duckdb(output), documents_of(output), folders(output), compact.write_rows

    def lost(*arguments: Any) -> None:
        real(*arguments)
        (output / "_lock").write_text(json.dumps({"run": "other", "since": "2026-01-01T00:00:00+00:00"}))

    with monkeypatch.context() as patched:
        patched.setattr(compact, "write_rows", lost)
        with pytest.raises(LockError, match="lost it to run other"):
            compact.compact(spark, str(output))
    (output / "_lock").unlink()
    assert in_duckdb(output) == answers
    assert {name for name in folders(output) - before if not name.startswith("_")} == set()
    assert compact.compact(spark, str(output)) is not None
    assert in_duckdb(output) == answers
    assert documents_of(output) == rows


def test_a_broken_file_stops_it_whatever_the_sites_defaults_say(spark: SparkSession, output: Path) -> None:
    broken = next((output / "documents/batch_id=b2-0").glob("*.parquet"))
    broken.write_bytes(broken.read_bytes()[:-40])
    before = {path: path.stat().st_size for path in output.rglob("*.parquet")}
    spark.conf.set("spark.sql.files.ignoreCorruptFiles", True)
    with pytest.raises(RunError, match=r"stopped \(\w+\): expected tables whose files can all be read"):
        compact.compact(spark, str(output))
    compact.recover(spark, str(output))
    assert {path: path.stat().st_size for path in output.rglob("*.parquet")} == before


def test_what_is_not_the_jobs_plain_output_is_refused(spark: SparkSession, output: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no documents table"):
        compact.compact(spark, str(tmp_path / "elsewhere"))
    (output / "documents/_delta_log").mkdir()
    with pytest.raises(InputError, match="OPTIMIZE"):
        compact.compact(spark, str(output))
