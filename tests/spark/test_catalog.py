"""The job's tables under names: temporary views of a session, and a database that is refreshed after every run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from cardio_ner.errors import ConfigError, InputError, RunError
from cardio_ner.spark import compact, pipeline
from cardio_ner.spark.catalog import open_tables, register_database, registered_databases
from cardio_ner.spark.pipeline import annotate
from cardio_ner.spark.settings import Settings
from hand_tables import document, rejected, span, write_documents, write_spans

WARD = pa.schema([("ward", pa.string())])
FLOOR = pa.schema([("a `floor`", pa.int64())])
ALL = ["documents", "documents_current", "note_nlp", "spans", "spans_current"]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """One batch, under a path with characters that globs and SQL know."""
    folder = tmp_path / "año [1] {a,b}'s"
    write_documents(folder, document("d", "b1-0", at=1))
    write_spans(folder, span("d", "b1-0", "old"))
    return folder


@pytest.fixture
def database(spark: SparkSession) -> Iterator[str]:
    yield "cardiology"
    spark.sql("DROP DATABASE IF EXISTS cardiology CASCADE")


def mentions(spark: SparkSession, table: str) -> list[str]:
    return sorted(row.text for row in spark.table(table).collect())


def test_open_tables_makes_the_four_views_with_the_columns_that_were_kept(spark: SparkSession, output: Path) -> None:
    write_documents(output, document("e", "b2-0", at=2, ward="4B"), kept=WARD)
    write_documents(output, document("f", "b3-0", at=2, **{"a `floor`": 4}), kept=FLOOR)
    open_tables(spark, str(output))
    assert spark.table("documents").columns[-3:] == ["ward", "a `floor`", "batch_id"]
    assert spark.table("documents").where("ward = '4B' OR `a ``floor``` = 4").count() == 2
    assert mentions(spark, "spans_current") == ["old"]
    assert spark.table("note_nlp").count() == 1


def test_open_tables_refuses_a_folder_without_tables(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no documents table"):
        open_tables(spark, str(tmp_path))


def test_a_database_has_the_tables_and_views_and_follows_them_run_by_run(
    spark: SparkSession, output: Path, database: str
) -> None:
    spark.range(3).createOrReplaceTempView("documents")  # the caller's, which must not get in the way
    register_database(spark, str(output), database)
    register_database(spark, str(output), database)
    assert sorted(table.name for table in spark.catalog.listTables(database) if not table.isTemporary) == ALL
    assert mentions(spark, f"{database}.spans_current") == ["old"]

    write_documents(output, document("d", "b2-0", at=2, ward="4B"), kept=WARD)
    write_spans(output, span("d", "b2-0", "new", entity_type="MEDICATION"))
    register_database(spark, str(output), database)
    assert mentions(spark, f"{database}.spans_current") == ["new"]
    assert sorted(row.ward or "" for row in spark.table(f"{database}.documents").collect()) == ["", "4B"]

    shutil.rmtree(output / "documents/batch_id=b1-0")
    shutil.rmtree(output / "spans/language=es/entity_type=DISEASE")
    register_database(spark, str(output), database)
    assert mentions(spark, f"{database}.spans") == mentions(spark, f"{database}.spans_current") == ["new"]
    assert spark.table(f"{database}.note_nlp").count() == 1

    assert spark.table("documents").columns == ["id"]
    assert spark.catalog.currentDatabase() == "default"


def test_another_session_sees_the_database_without_any_set_up(spark: SparkSession, output: Path, database: str) -> None:
    register_database(spark, str(output), database)
    other = spark.newSession()
    assert mentions(other, f"{database}.spans_current") == ["old"]
    assert other.sql(f"SELECT lexical_variant FROM {database}.note_nlp").first().lexical_variant == "old"


def test_a_database_of_a_run_without_any_mention_has_empty_tables(
    spark: SparkSession, tmp_path: Path, database: str
) -> None:
    write_documents(tmp_path, rejected("d", "b1-0", at=1))
    register_database(spark, str(tmp_path), database)
    register_database(spark, str(tmp_path), database)
    assert [spark.table(f"{database}.{name}").count() for name in ALL] == [1, 1, 0, 0, 0]


def test_dropping_the_database_leaves_the_files(spark: SparkSession, output: Path, database: str) -> None:
    register_database(spark, str(output), database)
    spark.sql(f"DROP DATABASE {database} CASCADE")
    open_tables(spark, str(output))
    assert mentions(spark, "spans_current") == ["old"]


@pytest.mark.parametrize("name", ["", "a b", "a-b", "a.b", "1a", "_a", "año", "global_temp", "a; DROP TABLE x", "a`"])
def test_an_illegal_database_name_is_refused_before_anything_is_made(
    spark: SparkSession, output: Path, name: str
) -> None:
    before = spark.catalog.listDatabases()
    with pytest.raises(ConfigError, match=re.escape(f"database {name!r}: expected a letter")):
        register_database(spark, str(output), name)
    assert spark.catalog.listDatabases() == before


def test_a_database_that_holds_another_folders_tables_is_left_alone(
    spark: SparkSession, output: Path, tmp_path: Path, database: str
) -> None:
    register_database(spark, str(output), database)
    other = write_documents(tmp_path / "other", document("z", "b1-0", at=1))
    with pytest.raises(ConfigError, match=r"cardiology\.documents: is file:.*, not file:.*other/documents"):
        register_database(spark, str(other), database)
    assert mentions(spark, f"{database}.spans_current") == ["old"]


def test_a_run_asks_for_the_databases_name_before_anything_else(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="database 'a b': expected a letter"):
        annotate(spark, "/nowhere", str(tmp_path / "out"), Settings(), database="a b")
    assert not (tmp_path / "out").exists()


def test_a_kept_struct_whose_fields_have_odd_names_is_registered(
    spark: SparkSession, output: Path, database: str
) -> None:
    odd = pa.schema([("ward", pa.struct([("the floor", pa.string())]))])
    write_documents(output, document("e", "b2-0", at=2, ward={"the floor": "4B"}), kept=odd)
    register_database(spark, str(output), database)
    told = spark.sql(f"SELECT ward.`the floor` AS floor FROM {database}.documents WHERE doc_id = 'e'").first()
    assert told.floor == "4B"


def test_a_catalog_that_fails_is_told_in_one_line(spark: SparkSession, output: Path, database: str) -> None:
    register_database(spark, str(output), database)
    assert registered_databases(spark, str(output)) == [database]
    shutil.rmtree(output / "spans")
    (output / "spans").write_text("no folder")
    with pytest.raises(RunError, match=rf"--database {database}: the catalog failed \(\w+\): expected one that can be"):
        register_database(spark, str(output), database)


def kill_compaction(spark: SparkSession, output: Path) -> None:
    """After its mark, so that whoever comes next finishes it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(compact, "_finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            compact.compact(spark, str(output))


def test_a_database_follows_a_killed_compaction_that_a_run_ends(
    spark: SparkSession, output: Path, tmp_path: Path, database: str, two_group_checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    write_documents(output, document("e", "b2-0", at=2))
    write_spans(output, span("e", "b2-0", "new"))
    register_database(spark, str(output), database)
    kill_compaction(spark, output)
    (notes := tmp_path / "notes").mkdir()
    (notes / "a.jsonl").write_text('{"doc_id": "a", "text": "Tos", "language": "es"}\n', encoding="utf-8")
    counted: list[int] = []
    monkeypatch.setattr(
        pipeline, "sweep", lambda *_: counted.append(spark.table(f"{database}.documents_current").count())
    )
    settings = Settings(checkpoints={"es": str(two_group_checkpoint)})
    annotate(spark, str(notes), str(output), settings, database=database)
    assert counted == [2]  # before it reads its input
    assert spark.table(f"{database}.documents_current").count() == 3


def test_a_database_is_never_without_rows_though_all_is_killed_between_the_removal_and_its_registering(
    spark: SparkSession, output: Path, tmp_path: Path, database: str, two_group_checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def answers() -> tuple[int, list[str]]:
        for table in ("documents", "spans"):
            spark.catalog.refreshTable(f"{database}.{table}")
        return spark.table(f"{database}.documents_current").count(), mentions(spark, f"{database}.spans_current")

    write_documents(output, document("e", "b2-0", at=2))
    write_spans(output, span("e", "b2-0", "new"))
    register = partial(register_database, spark, str(output), database)
    register()
    assert compact.compact(spark, str(output), before_removal=register) is not None  # and no more: killed then
    assert answers() == (2, ["new", "old"])

    write_documents(output, document("f", "b3-0", at=3, n_spans=0))
    register()
    kill_compaction(spark, output)

    def recover_and_die(*arguments: Any) -> None:
        compact.recover(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "recover", recover_and_die)
    notes = tmp_path / "notes.jsonl"
    notes.write_text('{"doc_id": "a", "text": "Tos", "language": "es"}\n', encoding="utf-8")
    settings = Settings(checkpoints={"es": str(two_group_checkpoint)})
    with pytest.raises(KeyboardInterrupt):
        annotate(spark, str(notes), str(output), settings, database=database)
    assert len(list(output.glob("documents/*"))) == 1
    assert answers() == (3, ["new", "old"])


def test_a_run_that_would_end_a_killed_compaction_asks_for_the_database_and_registers_the_others_too(
    spark: SparkSession, output: Path, tmp_path: Path, database: str, two_group_checkpoint: Path
) -> None:
    write_documents(output, document("e", "b2-0", at=2))
    write_spans(output, span("e", "b2-0", "new"))
    other = f"{database}_too"
    register_database(spark, str(output), database)
    register_database(spark, str(output), other)
    kill_compaction(spark, output)
    notes = tmp_path / "notes.jsonl"
    notes.write_text('{"doc_id": "a", "text": "Tos", "language": "es"}\n', encoding="utf-8")
    settings = Settings(checkpoints={"es": str(two_group_checkpoint)})
    try:
        with pytest.raises(ConfigError, match=f"registered in {database}, {other}, whose tables would be without rows"):
            annotate(spark, str(notes), str(output), settings)
        assert not (output / "run.json").exists()
        assert [spark.table(f"{name}.documents_current").count() for name in (database, other)] == [2, 2]
        annotate(spark, str(notes), str(output), settings, database=database)
        spark.catalog.refreshTable(f"{other}.documents")
        assert [spark.table(f"{name}.documents_current").count() for name in (database, other)] == [3, 2]
    finally:
        spark.sql(f"DROP DATABASE {other} CASCADE")


def test_a_run_whose_database_is_anothers_leaves_run_json_as_it_was(
    spark: SparkSession, output: Path, tmp_path: Path, database: str, two_group_checkpoint: Path
) -> None:
    other = write_documents(tmp_path / "other", document("z", "b1-0", at=1))
    register_database(spark, str(other), database)
    (output / "run.json").write_text("before", encoding="utf-8")
    notes = tmp_path / "notes.jsonl"
    notes.write_text('{"doc_id": "a", "text": "Tos"}\n', encoding="utf-8")
    settings = Settings(checkpoints={"es": str(two_group_checkpoint)})
    with pytest.raises(ConfigError, match=r"cardiology\.documents: is file:.*other/documents, not file:"):
        annotate(spark, str(notes), str(output), settings, database=database)
    assert (output / "run.json").read_text(encoding="utf-8") == "before"
    assert not (output / "_lock").exists()
