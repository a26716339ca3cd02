"""The README's code is run: Python blocks as they stand, SQL blocks over the annotated example notes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from cardio_ner.report.tables import open_tables
from cardio_ner.spark import catalog
from cardio_ner.spark.account import RunAccount

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("code", blocks("python"))
def test_a_python_block_runs_and_prints_what_the_readme_says(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = [line.removeprefix("# ") for line in code.splitlines() if line.startswith("# ")]
    exec(compile(code, "README.md", "exec"), {})
    assert said
    assert capsys.readouterr().out.splitlines() == said


def test_every_sql_block_answers_in_duckdb_and_in_spark(
    spark: SparkSession, annotated_notes: tuple[Path, RunAccount]
) -> None:
    output, _ = annotated_notes
    tables = open_tables(output)
    catalog.open_tables(spark, str(output))
    queries = blocks("sql")
    assert queries
    for query in queries:
        in_duckdb = tables.execute(query).fetchall()
        assert in_duckdb, query
        assert sorted(map(str, in_duckdb)) == sorted(str(tuple(row)) for row in spark.sql(query).collect())


def test_every_path_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"\]\((?!http)([^)#]+)\)", README)) | set(
        re.findall(r"^\| `([\w./-]+)` \|", README.split("## The repository")[1], flags=re.MULTILINE)
    )
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_every_make_target_that_the_readme_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    named = set(re.findall(r"^make ([a-z]+)", README, flags=re.MULTILINE))
    assert {"demo", "test"} <= named <= targets
