"""Exactly once: what is new is annotated, what is done is not, whatever happens to files, checkpoints and runs."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from cardio_ner.errors import AccountError, FailureError, InputError, LockError, RunError
from cardio_ner.report.tables import open_tables
from cardio_ner.spark import batch, pipeline, stream
from cardio_ner.spark.account import RunAccount
from cardio_ner.spark.hadoop import File
from cardio_ner.spark.pipeline import annotate
from cardio_ner.spark.settings import Settings, open_models
from cardio_ner.spark.source import FileSource
from cardio_ner.spark.tables import read_documents, read_inputs, read_spans

TEXT = "Ingresa por estenosis aórtica; toma enalapril y aspirina. "


@pytest.fixture
def settings(two_group_checkpoint: Path) -> Settings:
    return Settings(checkpoints={code: str(two_group_checkpoint) for code in ("es", "en", "it")})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def write(path: Path, ids: range | list[str], *, text: str = TEXT, age: int = 0) -> Path:
    """JSON lines, one record an id; `age` seconds older than now."""
    records = [{"doc_id": str(i), "language": "es", "text": f"{text} Nota {i}."} for i in ids]
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    moment = path.stat().st_mtime - age
    os.utime(path, (moment, moment))
    return path


@pytest.fixture
def run(spark: SparkSession, settings: Settings, folder: Path, tmp_path: Path) -> Iterator[Any]:
    def run_once(where: Path = folder, *, retry: bool = False, **changes: Any) -> RunAccount:
        changed = settings.model_copy(update=changes)
        return annotate(spark, str(where), str(tmp_path / "out"), changed, retry=retry)

    return run_once


def table(output: Path) -> list[tuple[Any, ...]]:
    """What an unbroken run would give, whatever its batches were called, as DuckDB reads it."""
    query = (
        "SELECT doc_id, status, reason, n_spans, (SELECT count(*) FROM spans s WHERE s.doc_id = d.doc_id "
        "AND s.batch_id = d.batch_id AND s.text_sha256 = d.text_sha256) FROM documents d ORDER BY ALL"
    )
    return open_tables(output).execute(query).fetchall()


def outcomes(spark: SparkSession, tmp_path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in read_documents(spark, str(tmp_path / "out")).orderBy("annotated_at", "status").collect():
        found.setdefault(row.doc_id, []).append(row.reason or row.status)
    return found


def test_a_second_run_reads_new_files_only(spark: SparkSession, run: Any, folder: Path, tmp_path: Path) -> None:
    write(folder / "a.jsonl", range(3))
    assert run().outcomes() == {"annotated": 3}
    assert run().outcomes() == {}
    write(folder / "b.jsonl", range(3, 5))
    assert run().outcomes() == {"annotated": 2}
    assert read_documents(spark, str(tmp_path / "out")).count() == 5
    rows = table(tmp_path / "out")
    assert sum(n_spans for _, _, _, n_spans, _ in rows) > 0
    assert all(n_spans == found for _, _, _, n_spans, found in rows)
    assert not (tmp_path / "out/_staging").exists()
    assert not (tmp_path / "out/_lock").exists()


def test_batches_are_cut_by_bytes_oldest_first_and_a_larger_file_is_one_batch(run: Any, folder: Path) -> None:
    size = write(folder / "c.jsonl", range(2), age=10).stat().st_size
    write(folder / "b.jsonl", range(10, 12), age=20)
    write(folder / "a.jsonl", range(20, 40), age=5)
    account = run(batch_bytes=2 * size + 20)
    assert [batch.n_rows for batch in account.batches] == [4, 20]


def test_a_file_overwritten_in_place_is_read_again_and_the_new_text_wins(
    spark: SparkSession, run: Any, folder: Path, tmp_path: Path
) -> None:
    write(folder / "a.jsonl", ["x", "y"], age=100)
    run()
    write(folder / "a.jsonl", ["x"], text="Fiebre, se inicia heparina.")
    assert run().outcomes() == {"annotated": 1}
    assert outcomes(spark, tmp_path) == {"x": ["annotated", "annotated"], "y": ["annotated"]}
    assert run().outcomes() == {}


def test_a_file_restored_with_an_older_time_is_read_once_more_and_not_for_ever(run: Any, folder: Path) -> None:
    write(folder / "a.jsonl", range(2))
    run()
    write(folder / "a.jsonl", range(3), age=1000)
    assert run().outcomes() == {"unchanged": 2, "annotated": 1}
    assert run().outcomes() == {}


def test_an_empty_file_of_lines_has_no_row_and_is_done(run: Any, folder: Path, tmp_path: Path) -> None:
    (folder / "a.jsonl").touch()
    assert run().outcomes() == {}
    assert open_tables(tmp_path / "out").execute("SELECT count(*) FROM documents").fetchone() == (0,)
    assert run().batches == []


def test_a_run_that_follows_its_input_takes_what_comes(
    spark: SparkSession, settings: Settings, folder: Path, tmp_path: Path
) -> None:
    write(folder / "a.jsonl", range(2))
    accounts: list[RunAccount] = []

    def follow() -> None:
        accounts.append(annotate(spark, str(folder), str(tmp_path / "out"), settings, follow_seconds=2))

    def wait_for(n_batches: int) -> None:
        for _ in range(600):
            if len(list((tmp_path / "out").glob("documents/batch_id=*"))) == n_batches:
                return
            time.sleep(0.1)
        raise TimeoutError

    thread = threading.Thread(target=follow)
    thread.start()
    wait_for(1)
    write(folder / "b.jsonl", range(2, 5))
    wait_for(2)
    (query,) = spark.streams.active
    while query.status["isTriggerActive"]:
        time.sleep(0.05)
    query.stop()
    thread.join(60)
    assert accounts[0].outcomes() == {"annotated": 5}


def test_a_file_older_than_sparks_limit_is_read(spark: SparkSession, run: Any, folder: Path) -> None:
    write(folder / "a.jsonl", range(1))
    run()
    write(folder / "old.jsonl", range(5, 7), age=400 * 24 * 3600)
    assert run().outcomes() == {"annotated": 2}


def test_empty_files_of_a_text_folder_are_rows(run: Any, folder: Path) -> None:
    (folder / "a.txt").write_text(TEXT)
    (folder / "b.txt").write_text("")
    assert run().outcomes() == {"annotated": 1, "empty_text": 1}
    assert run().outcomes() == {}


def test_one_corrupt_file_among_good_ones_costs_one_row(
    spark: SparkSession, run: Any, folder: Path, tmp_path: Path
) -> None:
    frame = spark.createDataFrame(
        [(str(i), "es", TEXT) for i in range(4)], "doc_id string, language string, text string"
    )
    frame.coalesce(1).write.parquet(str(tmp_path / "p"))
    (part,) = (tmp_path / "p").glob("*.parquet")
    content = part.read_bytes()
    (folder / "b.parquet").write_bytes(content)
    (folder / "a.parquet").write_bytes(b"PAR1 no footer")
    (folder / "c.parquet").write_bytes(content[:8] + bytes(len(content[8:-800])) + content[-800:])
    account = run()
    assert account.outcomes() == {"annotated": 4, "unreadable_file": 2}
    bad = read_documents(spark, str(tmp_path / "out")).where("reason = 'unreadable_file'").collect()
    assert sorted(row.doc_id.rsplit("/", 1)[1] for row in bad) == ["a.parquet", "c.parquet"]
    assert all(row.error_type for row in bad)
    (folder / "a.parquet").write_bytes(content)
    again = run()
    assert again.outcomes() == {"unchanged": 4}
    ask = "SELECT doc_id FROM documents_current WHERE reason = 'unreadable_file'"
    (left,) = open_tables(tmp_path / "out").execute(ask).fetchall()  # of a.parquet there are rows now
    assert left[0].endswith("/c.parquet")


def test_a_truncated_gzip_is_quarantined_too(run: Any, folder: Path) -> None:
    import gzip

    write(folder / "good.jsonl", range(2))
    whole = gzip.compress("".join(json.dumps({"doc_id": str(i), "text": TEXT * 50}) + "\n" for i in range(50)).encode())
    (folder / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    account = run()
    assert account.outcomes() == {"annotated": 2, "unreadable_file": 1}
    assert account.errors() == {"EOFException": 1}


def test_a_deleted_streaming_checkpoint_costs_nothing(
    spark: SparkSession, run: Any, folder: Path, tmp_path: Path
) -> None:
    write(folder / "a.jsonl", range(3))
    run()
    before = table(tmp_path / "out")
    shutil.rmtree(tmp_path / "out/_state")
    assert run().outcomes() == {}
    write(folder / "b.jsonl", range(3, 4))
    assert run().outcomes() == {"annotated": 1}
    after = table(tmp_path / "out")
    assert [row for row in after if row[0] != "3"] == before


def test_two_inputs_and_two_checkpoints_share_an_output_without_overwriting(
    spark: SparkSession, run: Any, folder: Path, tmp_path: Path, hub_checkpoint: Path
) -> None:
    (tmp_path / "other").mkdir()
    write(folder / "a.jsonl", range(2))
    write(tmp_path / "other/a.jsonl", range(5, 8))
    run()
    assert run(tmp_path / "other").outcomes() == {"annotated": 3}
    other_model = {"checkpoints": {"es": str(hub_checkpoint)}}
    assert run(**other_model).outcomes() == {"annotated": 2}
    documents = read_documents(spark, str(tmp_path / "out"))
    assert documents.count() == 7
    assert documents.select("batch_id").distinct().count() == 3
    assert all(row.batch_id[0] == "b" for row in documents.collect())


def test_a_new_checkpoint_of_one_language_annotates_it_again_though_another_keeps_the_old_one(
    spark: SparkSession, run: Any, folder: Path, tmp_path: Path, two_group_checkpoint: Path, hub_checkpoint: Path
) -> None:
    for language in ("es", "en"):
        row = {"doc_id": language, "language": language, "text": TEXT}
        (folder / f"{language}.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    old, new = str(two_group_checkpoint), str(hub_checkpoint)
    assert run(checkpoints={"es": old, "en": old}).outcomes() == {"annotated": 2}
    assert run(checkpoints={"es": new, "en": old}).outcomes() == {"annotated": 1, "unchanged": 1}
    newest = read_documents(spark, str(tmp_path / "out")).orderBy("annotated_at").collect()[-2:]
    assert {row.doc_id: row.status for row in newest} == {"es": "annotated", "en": "unchanged"}


def test_who_goes_back_to_an_earlier_checkpoint_or_language_has_the_tables_go_back(
    run: Any, folder: Path, tmp_path: Path, hub_checkpoint: Path
) -> None:
    def current() -> list[tuple[Any, ...]]:
        ask = "SELECT doc_id, language, n_chars, model_id FROM documents_current ORDER BY doc_id"
        mentions = "SELECT doc_id, start_offset, entity_type FROM spans_current ORDER BY ALL"
        tables = open_tables(tmp_path / "out")
        return tables.execute(ask).fetchall() + tables.execute(mentions).fetchall()

    write(folder / "a.jsonl", ["x", "y"], age=90)
    run()
    before = current()
    new = {"es": str(hub_checkpoint)}
    write(folder / "b.jsonl", ["x"], text="Otro.", age=60)  # read first by the new one
    assert run(checkpoints=new).outcomes() == {"annotated": 3}
    assert run().outcomes() == {"unchanged": 2, "annotated": 1}
    after = current()
    assert after[0][2] == len("Otro. Nota x."), "the newer text stays the current one"
    assert [row for row in after if row[0] == "y"] == [row for row in before if row[0] == "y"]
    assert run(language="it").outcomes() == {"annotated": 3}
    assert run().outcomes() == {"unchanged": 3}
    assert current() == after
    assert run().outcomes() == {}


def test_two_texts_of_one_file_are_each_read_once_though_runs_take_turns(run: Any, folder: Path) -> None:
    row = {"doc_id": "x", "letter_id": "x-letter", "text": TEXT, "letter": f"{TEXT} Atentamente."}
    (folder / "a.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    letters = {"id_column": "letter_id", "text_column": "letter"}
    assert run(language="es").outcomes() == {"annotated": 1}
    assert run(language="es", **letters).outcomes() == {"annotated": 1}
    assert run(language="es").outcomes() == {}
    assert run(language="es", **letters).outcomes() == {}


def test_a_document_delivered_again_is_unchanged_and_points_to_its_mentions(
    spark: SparkSession, run: Any, folder: Path, tmp_path: Path
) -> None:
    write(folder / "a.jsonl", ["x", "y"])
    run()
    write(folder / "b.jsonl", ["x", "z"])
    account = run()
    assert account.outcomes() == {"unchanged": 1, "annotated": 1}
    rows = read_documents(spark, str(tmp_path / "out")).where("doc_id = 'x'").orderBy("annotated_at").collect()
    assert [row.status for row in rows] == ["annotated", "unchanged"]
    assert rows[1].source_batch == rows[0].batch_id
    assert rows[1].model_id == rows[0].model_id
    write(folder / "c.jsonl", ["x"])
    assert run(skip_unchanged=False).outcomes() == {"annotated": 1}


def test_the_same_id_twice_in_a_batch_is_accounted_for_twice(
    spark: SparkSession, run: Any, folder: Path, tmp_path: Path
) -> None:
    write(folder / "a.jsonl", ["x", "x", "y"])
    with (folder / "a.jsonl").open("a") as file:
        file.write(json.dumps({"doc_id": "x", "language": "es", "text": "Otro texto, con aspirina."}) + "\n")
    assert run().outcomes() == {"annotated": 3, "unchanged": 1}
    rows = read_documents(spark, str(tmp_path / "out")).where("status = 'unchanged'").collect()
    assert [row.doc_id for row in rows] == ["x"]
    assert rows[0].source_batch == rows[0].batch_id
    spans = read_spans(spark, str(tmp_path / "out")).where("doc_id = 'x'").collect()
    assert len({(s.text_sha256, s.start_offset, s.entity_type) for s in spans}) == len(spans)


def test_a_row_that_is_lost_on_the_way_stops_the_run_before_it_commits(
    spark: SparkSession, run: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "a.jsonl", range(5))
    real = batch.annotate_rows
    monkeypatch.setattr(batch, "annotate_rows", lambda *a, **k: real(*a, **k).where("doc_id <> '3'"))
    with pytest.raises(AccountError, match="4 rows, but an independent reader counts 5"):
        run()
    assert not (tmp_path / "out/documents").exists()
    monkeypatch.undo()
    assert run().outcomes() == {"annotated": 5}


def test_a_run_that_goes_wrong_stops_before_it_commits(
    run: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "a.jsonl", range(30))
    real = batch.annotate_rows

    def mostly_failed(*arguments: Any, **options: Any) -> DataFrame:
        failed = F.col("doc_id") < "19"
        broken = {
            "status": F.when(failed, "rejected").otherwise(F.col("status")),
            "reason": F.when(failed, "failed"),
            "error_type": F.when(failed, "ValueError"),
        }
        return real(*arguments, **options).withColumns(broken)

    monkeypatch.setattr(batch, "annotate_rows", mostly_failed)
    with pytest.raises(FailureError, match=r"11 of 30 rows failed \(ValueError\), 10 may"):
        run()
    assert not (tmp_path / "out/documents").exists()
    account = run(max_failures="40%")
    assert account.outcomes()["failed"] == 11
    monkeypatch.undo()
    assert run().outcomes() == {}
    assert run(retry=True).outcomes() == {"annotated": 11}
    assert run(retry=True).outcomes() == {}


@pytest.mark.parametrize(
    ("meanwhile", "in_place"), [("account_of", []), ("put_rows", ["spans", "inputs"])], ids=["writing", "renaming"]
)
def test_documents_stay_aside_where_the_lock_was_lost_meanwhile(
    meanwhile: str, in_place: list[str], run: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "a.jsonl", range(2))
    out, real = tmp_path / "out", getattr(batch, meanwhile)

    def lost(*arguments: Any) -> Any:
        done = real(*arguments)
        (out / "_lock").write_text(json.dumps({"run": "other", "since": "2026-01-01T00:00:00+00:00"}))
        return done

    monkeypatch.setattr(batch, meanwhile, lost)
    with pytest.raises(LockError, match="lost it to run other"):
        run()
    assert [name for name in ("spans", "inputs", "documents") if (out / name).exists()] == in_place
    assert list(out.glob("_staging/*/documents/*.parquet"))
    monkeypatch.undo()
    (out / "_lock").unlink()
    assert run().outcomes() == {"annotated": 2}


def break_reading(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """These files cannot be opened, whatever their content: as when a permission is missing, which root never lacks."""
    real = FileSource.counts

    def counts(self: FileSource, files: list[File]) -> dict[str, int | str]:
        return real(self, files) | {f.path: "AccessDenied" for f in files if f.path.rsplit("/", 1)[1] in names}

    monkeypatch.setattr(FileSource, "counts", counts)


def test_a_file_that_can_be_read_again_is_retried_once_and_keeps_its_mentions(
    run: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "a.jsonl", range(3))
    write(folder / "b.jsonl", range(3, 5))
    with monkeypatch.context() as patched:
        break_reading(patched, "b.jsonl")
        assert run().outcomes() == {"annotated": 3, "unreadable_file": 1}
    assert run(retry=True).outcomes() == {"annotated": 2}
    before = table(tmp_path / "out")
    assert run(retry=True).outcomes() == {}
    assert table(tmp_path / "out") == before


def test_a_batch_that_is_committed_is_not_run_again_under_its_id(run: Any, folder: Path, tmp_path: Path) -> None:
    """Killed between the commit and Spark's own log of it, and one of the batch's files overwritten meanwhile."""
    write(folder / "a.jsonl", range(3), age=50)
    write(folder / "b.jsonl", ["x", "y"], age=50)
    run()
    before = table(tmp_path / "out")
    for log in (tmp_path / "out/_state").glob("stream-*/commits/*"):
        log.unlink()
    write(folder / "b.jsonl", ["x", "z"])
    assert run().outcomes() == {"annotated": 1, "unchanged": 1}
    after = table(tmp_path / "out")
    assert [row for row in before if row not in after] == []
    assert len(after) == len(before) + 2


def test_a_file_that_was_overwritten_before_a_newer_one_came_is_read_before_it(
    run: Any, folder: Path, tmp_path: Path
) -> None:
    """Yesterday's extract was corrected, then today's came: both have the record."""
    write(folder / "yesterday.jsonl", ["x", "y"], text="Uno.", age=90)
    run()
    write(folder / "yesterday.jsonl", ["x", "y"], text="Dos.", age=60)
    write(folder / "today.jsonl", ["x"], text="Tres.", age=30)
    assert run(batch_bytes=60).outcomes() == {"annotated": 3}
    ask = "SELECT doc_id, n_chars FROM documents_current ORDER BY doc_id"
    assert open_tables(tmp_path / "out").execute(ask).fetchall() == [
        ("x", len("Tres. Nota x.")),
        ("y", len("Dos. Nota y.")),
    ]


def test_a_file_that_goes_back_and_forth_is_a_new_batch_each_time(run: Any, folder: Path, tmp_path: Path) -> None:
    now = time.time()
    for n, (text, moment) in enumerate([("Uno.", now - 90), ("Dos.", now - 60)] * 2):
        write(folder / "a.jsonl", ["x"], text=text)
        os.utime(folder / "a.jsonl", (moment, moment))
        assert run().outcomes() == ({"annotated": 1} if n < 2 else {"unchanged": 1})
    assert len(list((tmp_path / "out/documents").glob("batch_id=*"))) == 4


def test_many_documents_that_fail_again_are_retried_and_a_copy_that_did_not_fail_is_counted(
    run: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "a.jsonl", [*range(12), 0])
    real = batch.annotate_rows

    def all_but_the_first_failed(*arguments: Any, **options: Any) -> DataFrame:
        frame = real(*arguments, **options).withColumn("nth", F.row_number().over(Window.orderBy("doc_id", "status")))
        failed = F.col("nth") > 1
        broken = {"status": F.when(failed, "rejected").otherwise(F.col("status")), "reason": F.when(failed, "failed")}
        return frame.withColumns(broken).drop("nth")

    monkeypatch.setattr(batch, "annotate_rows", all_but_the_first_failed)
    assert run(max_failures="100%").outcomes() == {"annotated": 1, "failed": 12}
    # Whoever failed may fail again: that is no run that goes wrong.
    assert run(retry=True).outcomes()["failed"] == 12
    monkeypatch.undo()
    assert run(retry=True).outcomes() == {"annotated": 11, "unchanged": 2}
    assert run(retry=True).outcomes() == {}


def test_a_batch_whose_files_are_mostly_unreadable_is_a_run_that_goes_wrong(
    run: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [write(folder / f"{i}.jsonl", [i]).name for i in range(13)]
    break_reading(monkeypatch, *names[:11])
    with pytest.raises(FailureError, match=r"11 of 13 files could not be read \(AccessDenied\), 10 may"):
        run()
    assert not (tmp_path / "out/documents").exists()
    assert run(max_failures="11").outcomes() == {"annotated": 2, "unreadable_file": 11}
    assert run(retry=True).outcomes() == {"unreadable_file": 11}


def test_files_none_of_which_can_be_read_are_not_rejected_one_by_one(
    run: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials that have expired: ten failures may be, but a batch has fewer files than ten."""
    names = [write(folder / f"{i}.jsonl", range(3 * i, 3 * i + 3)).name for i in range(4)]
    with monkeypatch.context() as patched:
        break_reading(patched, *names)
        with pytest.raises(FailureError, match=r"4 of 4 files could not be read \(AccessDenied\), 3 may"):
            run()
        assert not (tmp_path / "out/documents").exists()
    assert run().outcomes() == {"annotated": 12}


def test_a_file_that_came_alone_is_not_rejected_for_credentials_that_have_expired(
    run: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = write(folder / "tonight.jsonl", range(3)).name
    with monkeypatch.context() as patched:
        break_reading(patched, name)
        with pytest.raises(FailureError, match=r"1 of 1 files could not be read \(AccessDenied\), 0 may"):
            run()
        assert not (tmp_path / "out/documents").exists()
    assert run().outcomes() == {"annotated": 3}


def test_a_session_whose_times_have_no_zone_reads_files_all_the_same(
    spark: SparkSession, run: Any, folder: Path
) -> None:
    write(folder / "a.jsonl", range(3))
    spark.conf.set("spark.sql.timestampType", "TIMESTAMP_NTZ")
    try:
        assert run().outcomes() == {"annotated": 3}
    finally:
        spark.conf.unset("spark.sql.timestampType")


def test_a_failed_document_that_came_twice_is_retried_in_each_of_its_files(run: Any, folder: Path) -> None:
    """Yesterday's export and today's: both have the record that failed."""
    broken = "X,uno,dos\n"
    (folder / "a.csv").write_text(f"doc_id,text\n{broken}Y,uno,tres\nZ,Toma enalapril.\n", encoding="utf-8")
    language = {"language": "es"}
    assert run(**language).outcomes() == {"annotated": 1, "failed": 2}
    (folder / "b.csv").write_text(f"doc_id,text\n{broken}", encoding="utf-8")
    assert run(**language).outcomes() == {"failed": 1}
    assert run(retry=True, **language).outcomes() == {"failed": 2}
    assert run(retry=True, **language).outcomes() == {"failed": 2}


def test_a_file_that_goes_while_the_stream_lists_it_stops_nothing(
    run: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even one that is no input: an upload that is renamed when it is whole."""
    write(folder / "a.jsonl", range(2))
    part = folder / "b.jsonl.part"
    part.write_text("half", encoding="utf-8")
    real = stream._told

    def told(job: Any, listing: DataFrame) -> list[File]:
        part.unlink(missing_ok=True)
        return real(job, listing)

    monkeypatch.setattr(stream, "_told", told)
    assert run().outcomes() == {"annotated": 2}
    assert run().outcomes() == {}


def test_a_query_that_spark_cannot_analyse_is_not_the_fault_of_the_files(
    run: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "a.jsonl", range(2))
    real = FileSource.rows
    monkeypatch.setattr(FileSource, "rows", lambda self, files: real(self, files).where("no_such_column = 1"))
    with pytest.raises(AnalysisException, match="no_such_column"):
        run()
    assert not (tmp_path / "out/documents").exists()


def test_many_files_of_one_trigger_are_several_batches_and_the_latest_text_stays_the_latest(
    run: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cardio_ner.spark.ledger.MAX_FILES", 3)
    size = 0
    for i in range(8):  # the first trigger takes five of them
        size = write(folder / f"{i}.jsonl", ["X", f"{i}"], text=f"Texto número {i}.", age=80 - 10 * i).stat().st_size
    account = run(batch_bytes=5 * size)
    assert account.outcomes() == {"annotated": 16}
    assert [batch.n_rows for batch in account.batches] == [6, 4, 6]
    (latest,) = open_tables(tmp_path / "out").execute(
        "SELECT source_file FROM documents_current WHERE doc_id = 'X'"
    ).fetchone() or (None,)
    assert str(latest).endswith("/7.jsonl")
    assert run().outcomes() == {}


def test_a_text_detected_in_two_languages_over_time_matches_the_latest_alone(
    spark: SparkSession, run: Any, folder: Path, tmp_path: Path
) -> None:
    records = [{"doc_id": str(i), "text": f"{TEXT} Nota {i}."} for i in range(2)]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "a.jsonl").write_text(lines)
    assert run().outcomes() == {"annotated": 2}
    # The same two records, as another release of the detector might have called them.
    out = tmp_path / "out"
    earlier = read_documents(spark, str(out)).withColumns(
        {"language": F.lit("it"), "annotated_at": F.lit("2020-01-01").cast("timestamp"), "batch_id": F.lit("r0-0")}
    )
    earlier.write.partitionBy("batch_id").mode("append").parquet(str(out / "documents"))
    (folder / "b.jsonl").write_text(lines)
    assert run().outcomes() == {"unchanged": 2}
    unchanged = read_documents(spark, str(out)).where("status = 'unchanged'").collect()
    assert {(row.language, row.source_batch[0]) for row in unchanged} == {("es", "b")}


def test_what_was_detected_among_other_languages_is_detected_again(
    run: Any, folder: Path, tmp_path: Path, two_group_checkpoint: Path
) -> None:
    """Of Spanish alone the detector makes Spanish of short notes in English and Italian."""

    def languages() -> list[tuple[Any, ...]]:
        ask = "SELECT language FROM documents_current ORDER BY doc_id"
        return [language for (language,) in open_tables(tmp_path / "out").execute(ask).fetchall()]

    texts = ["Start apixaban", "Ipertensione arteriosa", f"{TEXT} Ingresa de nuevo."]
    records = [{"doc_id": str(i), "text": text} for i, text in enumerate(texts)]
    (folder / "a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    alone = {"es": str(two_group_checkpoint)}
    assert run(checkpoints=alone).outcomes() == {"annotated": 3}
    assert languages() == ["es", "es", "es"]
    assert run().outcomes() == {"annotated": 2, "unchanged": 1}
    assert languages() == ["en", "it", "es"]
    assert run(checkpoints=alone).outcomes() == {"unchanged": 3}
    assert languages() == ["es", "es", "es"]
    assert run().outcomes() == {"unchanged": 3}
    assert languages() == ["en", "it", "es"]


def test_a_document_that_kills_its_worker_costs_one_row_in_plain_local_mode(
    spark: SparkSession, run: Any, folder: Path, tmp_path: Path, deadly: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_deadly(settings: Settings) -> dict[str, Any]:
        return {code: deadly.DeadlyModel(**model.model_dump()) for code, model in open_models(settings).items()}

    monkeypatch.setattr(pipeline, "open_models", open_deadly)
    write(folder / "a.jsonl", range(6))
    write(folder / "b.jsonl", ["killer"], text="KILL 9 Fiebre")
    assert run().outcomes() == {"annotated": 6, "failed": 1}
    rows = read_documents(spark, str(tmp_path / "out")).where("reason = 'failed'").collect()
    assert [(row.doc_id, row.error_type) for row in rows] == [("killer", "WorkerDied")]
    assert not list((tmp_path / "out/_state/attempts").glob("*"))


def test_kept_columns_and_their_types_stay_the_same(spark: SparkSession, tmp_path: Path, settings: Settings) -> None:
    from cardio_ner.errors import ConfigError

    out = str(tmp_path / "out")
    for name, kind in (("a", "int"), ("b", "string")):
        frame = spark.createDataFrame([("1", TEXT, None)], f"doc_id string, text string, ward {kind}")
        frame.write.parquet(str(tmp_path / name))
    kept = settings.model_copy(update={"keep": ("ward",)})
    annotate(spark, str(tmp_path / "a"), out, kept)
    with pytest.raises(ConfigError, match="--keep ward: it is string here, and int in"):
        annotate(spark, str(tmp_path / "b"), out, kept)


def test_an_output_inside_its_input_is_refused(run: Any, folder: Path, spark: SparkSession, settings: Settings) -> None:
    write(folder / "a.jsonl", range(1))
    with pytest.raises(InputError, match="lies inside the input"):
        annotate(spark, str(folder), str(folder / "out"), settings)


def test_a_view_is_read_in_chunks_and_a_parquet_table_as_files(
    spark: SparkSession, tmp_path: Path, settings: Settings
) -> None:
    rows = [(f"n{i}", TEXT, "es") for i in range(40)]
    frame = spark.createDataFrame(rows, "doc_id string, text string, language string")
    frame.createOrReplaceTempView("notes_view")
    two_chunks = settings.model_copy(update={"table_chunks": 2})
    account = annotate(spark, "notes_view", str(tmp_path / "out"), two_chunks, is_table=True)
    assert account.outcomes() == {"annotated": 40}
    assert len(account.batches) == 2
    again = annotate(spark, "notes_view", str(tmp_path / "out"), two_chunks, is_table=True)
    assert again.outcomes() == {"unchanged": 40}
    with pytest.raises(InputError, match="no such table or view"):
        annotate(spark, "nowhere", str(tmp_path / "out"), settings, is_table=True)
    assert {row.path.split("#")[0] for row in read_inputs(spark, str(tmp_path / "out")).collect()} == {
        "table:notes_view"
    }


def test_a_pass_over_a_table_that_was_interrupted_is_ended_and_another_reads_the_table_as_it_is(
    spark: SparkSession, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = "doc_id string, text string, language string"
    rows = [(f"n{i}", TEXT, "es") for i in range(12)]
    spark.createDataFrame(rows[:10], schema).createOrReplaceTempView("growing")
    one_chunk = settings.model_copy(update={"table_chunks": 1})

    def killed(*_: object) -> None:
        raise RuntimeError("killed after the last commit")

    with monkeypatch.context() as patched:
        patched.setattr(stream, "remove", killed)
        with pytest.raises(RuntimeError, match="killed"):
            annotate(spark, "growing", str(tmp_path / "out"), one_chunk, is_table=True)
    spark.createDataFrame(rows, schema).createOrReplaceTempView("growing")
    account = annotate(spark, "growing", str(tmp_path / "out"), one_chunk, is_table=True)
    assert account.outcomes() == {"annotated": 2, "unchanged": 10}
    again = annotate(spark, "growing", str(tmp_path / "out"), one_chunk, is_table=True)
    assert again.outcomes() == {"unchanged": 12}


def test_a_document_to_retry_whose_file_no_longer_fits_the_input_is_told_by_the_file(
    run: Any, folder: Path, tmp_path: Path
) -> None:
    (folder / "b.csv").write_text("doc_id,text,language\n1,hola, que tal,es\n2,hola, que tal,es\n", encoding="utf-8")
    assert run().outcomes() == {"failed": 2}
    (folder / "a.csv").write_text("language,doc_id,text\nes,3,hola\n", encoding="utf-8")  # the first file names columns
    assert run().outcomes() == {"annotated": 1}
    account = run(retry=True)
    assert account.outcomes() == {"unreadable_file": 1}
    assert account.errors() == {"OtherHeader": 1}
    assert ("1", "rejected", "failed", None, 0) in table(tmp_path / "out")


def test_a_stream_whose_metadata_were_cut_short_says_what_to_do(run: Any, folder: Path, tmp_path: Path) -> None:
    write(folder / "a.jsonl", range(2))
    run()
    (checkpoint,) = (tmp_path / "out/_state").glob("stream-*")
    (checkpoint / "metadata").write_bytes(b"")
    (checkpoint / ".metadata.crc").unlink(missing_ok=True)
    with pytest.raises(RunError, match=r"the stream stopped by itself \(\w+\): .* remove the folder"):
        run()
    shutil.rmtree(checkpoint)
    write(folder / "b.jsonl", range(2, 3))
    assert run().outcomes() == {"annotated": 1}


def test_a_stream_that_was_stopped_before_its_first_batch_begins_anew(run: Any, folder: Path, tmp_path: Path) -> None:
    """As a disk that filled up leaves it, or a kill while Spark wrote down what the batch is of."""
    write(folder / "a.jsonl", range(2))
    run()
    (offsets,) = (tmp_path / "out/_state").glob("stream-*/offsets")
    (offsets / "0").rename(offsets / ".0.5a7e3ad4-7c1b-4c0a-9a53-0d0a3f4a1e0e.tmp")
    shutil.rmtree(offsets.parent / "commits")
    for table_folder in ("documents", "spans", "inputs"):
        shutil.rmtree(tmp_path / "out" / table_folder)
    assert run().outcomes() == {"annotated": 2}


def test_a_kept_column_of_several_values_is_kept_by_the_next_run_too(
    spark: SparkSession, settings: Settings, tmp_path: Path
) -> None:
    """Parquet's own reader says that any value may be null; the table's says that none is."""
    values = f"('1', 'es', '{TEXT}', 'a,b'), ('2', 'es', '{TEXT} Fin.', 'c')"
    spark.sql(
        "CREATE OR REPLACE TEMP VIEW tagged AS SELECT doc_id, language, text, split(tags, ',') AS tags "
        f"FROM VALUES {values} t(doc_id, language, text, tags)"
    )
    for _ in range(2):
        changed = settings.model_copy(update={"keep": ("tags",), "table_chunks": 1})
        annotate(spark, "tagged", str(tmp_path / "out"), changed, is_table=True)
    rows = open_tables(tmp_path / "out").execute("SELECT doc_id, tags FROM documents_current ORDER BY 1").fetchall()
    assert rows == [("1", ["a", "b"]), ("2", ["c"])]
