"""docs/sql.md is run: each query in the engines that it is for, each Python block as it stands; its tables of columns
are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from cardio_ner.report.tables import DOCUMENT_TYPES, SPAN_TYPES, open_tables
from cardio_ner.spark import catalog, functions
from hand_tables import document, rejected, span, write_documents, write_spans
from pages import ROOT, blocks

PAGE = ROOT / "docs/sql.md"


def columns(section: str) -> list[str]:
    """The names in the first column of a section's table."""
    body = PAGE.read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (.*?) \| [a-z, ]* \|", body, flags=re.MULTILINE)[1:]
    return [name for cell in cells for name in cell.split(", ")]


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder `out` of the page, with a document that has a disease and a medication."""
    write_documents(tmp_path / "out", document("7", "b1-0", at=1), rejected("8", "b1-0", at=1))
    medication = span("7", "b1-0", "apixaban", start=30, entity_type="MEDICATION")
    write_spans(tmp_path / "out", span("7", "b1-0", "Fibrilación auricular"), medication)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "out"


def test_every_query_answers_alike_in_both_engines(spark: SparkSession, out: Path) -> None:
    catalog.open_tables(spark, str(out))
    queries = blocks(PAGE, "sql")
    assert len(queries) >= 4
    for query in queries:
        in_duckdb = open_tables(out).execute(query).fetchall()
        assert in_duckdb, query
        assert sorted(map(str, in_duckdb)) == sorted(str(tuple(row)) for row in spark.sql(query).collect())


def test_the_query_for_another_duckdb_needs_nothing_but_the_folder(out: Path) -> None:
    (query,) = blocks(PAGE, "sql duckdb")
    assert sorted(duckdb.connect().sql(query).fetchall()) == [("es", "DISEASE", 1), ("es", "MEDICATION", 1)]


def test_the_python_blocks_run(spark: SparkSession, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for code in blocks(PAGE, "python"):
        here = code.replace('"out"', repr(str(out)))  # the session's own working folder is another
        exec(compile(here, "docs/sql.md", "exec"), {"spark": spark})
    assert "|       2|" in capsys.readouterr().out


def test_the_query_with_the_function_runs(spark: SparkSession) -> None:
    functions.register(spark)
    spark.sql("SELECT 'a' AS doc_id, 'Toma enalapril.' AS text, 'es' AS language").createOrReplaceTempView("notes")
    (query,) = blocks(PAGE, "sql spark")
    assert [(row.doc_id, row.status, row.text) for row in spark.sql(query).collect()] == [
        ("a", "annotated", "enalapril")
    ]


def test_the_copy_into_a_lake_adds_each_committed_batch_once(spark: SparkSession, out: Path) -> None:
    """Into plain tables: the statements are any format's, its transactions are its own. A kept column came later, and
    stands last there, before `batch_id` here."""
    statements = [statement for statement in "".join(blocks(PAGE, "sql lake")).split(";\n") if statement]
    spark.sql("CREATE DATABASE lake")
    catalog.open_tables(spark, str(out))
    for table in ("documents", "spans"):
        spark.sql(f"CREATE TABLE lake.{table} USING parquet AS SELECT * FROM {table} LIMIT 0")
    for statement in statements[:1]:  # ended between the two
        spark.sql(statement)
    for day in (1, 2, 2):
        if day == 2 and len(list((out / "documents").iterdir())) == 1:
            spark.sql("ALTER TABLE lake.documents ADD COLUMNS (ward string)")
            write_documents(out, document("9", "b2-0", at=2, ward="7A"), kept=pa.schema([("ward", pa.string())]))
            write_spans(out, span("9", "b2-0", "Fiebre"), span("9", "b3-0", "never committed"))
        catalog.open_tables(spark, str(out))
        for statement in statements:
            spark.sql(statement)
        lake = {table: spark.table(f"lake.{table}").collect() for table in ("documents", "spans")}
        ids = {table: [row.doc_id for row in rows] for table, rows in lake.items()}
        more = ["9"] * (day == 2)
        assert sorted(ids["documents"]) == ["7", "8", *more]
        assert [(row.batch_id, row.ward) for row in lake["documents"] if row.doc_id == "9"] == [("b2-0", "7A")] * len(
            more
        )
        assert sorted(ids["spans"]) == ["7", "7", *more]


def test_the_columns_are_those_of_the_tables(out: Path) -> None:
    assert [name for name in columns("documents") if name != "…"] == list(DOCUMENT_TYPES)
    assert sorted(columns("spans")) == sorted(SPAN_TYPES)
    assert columns("note_nlp") == [row[0] for row in open_tables(out).execute("DESCRIBE note_nlp").fetchall()]
