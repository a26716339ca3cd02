"""What pages say holds: SQL answers over the annotated example notes, Python prints, what is named exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pyspark.sql import SparkSession

from cardio_ner.report.tables import open_tables
from cardio_ner.spark import catalog
from cardio_ner.spark.account import RunAccount
from pages import PAGES, ROOT, answered_queries, blocks, named_paths, printing_blocks

RELATIVE = [str(page.relative_to(ROOT)) for page in PAGES]
Notes = tuple[Path, RunAccount]


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_every_sql_block_answers_in_duckdb_and_in_spark_and_as_the_page_says(
    spark: SparkSession, annotated_notes: Notes, page: str
) -> None:
    output, _ = annotated_notes
    tables = open_tables(output)
    catalog.open_tables(spark, str(output))
    queries = answered_queries(ROOT / page)
    assert queries
    for query, said in queries:
        in_duckdb = tables.execute(query).fetchall()
        assert in_duckdb, query
        assert sorted(map(str, in_duckdb)) == sorted(str(tuple(row)) for row in spark.sql(query).collect())
        if said:
            assert [["" if cell is None else str(cell) for cell in row] for row in in_duckdb] == said


def test_the_tutorial_shows_answers() -> None:
    assert sum(bool(said) for _, said in answered_queries(ROOT / "docs/tutorial.md")) == 2


def test_the_notebook_prints_what_it_says(
    spark: SparkSession, annotated_notes: Notes, capsys: pytest.CaptureFixture[str]
) -> None:
    output, _ = annotated_notes
    cells = printing_blocks(ROOT / "examples/pyspark.md")
    assert all(said for _, said in cells)
    assert len(cells) >= 5
    notebook: dict[str, object] = {"spark": spark}
    for code, said in cells:
        exec(compile(code.replace('"out"', repr(str(output))), "examples/pyspark.md", "exec"), notebook)
        assert capsys.readouterr().out.strip() == said.strip()


@pytest.mark.parametrize("page", RELATIVE)
def test_every_path_that_a_page_names_exists(page: str) -> None:
    assert [str(path) for path in sorted(named_paths(ROOT / page)) if not path.exists()] == []


def test_links_and_paths_are_found_wherever_a_page_names_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "[a](other.md#there), [b](https://example.org/docs/c.md), `tests/d.py`: python training/e.py\n"
        "package:cardio_ner/models/es, /docs/f.md, [g](#here)\n",
        encoding="utf-8",
    )
    assert named_paths(page) == {tmp_path / "other.md", ROOT / "tests/d.py", ROOT / "training/e.py"}


@pytest.mark.parametrize("page", RELATIVE)
def test_every_make_target_that_a_page_names_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    typed = "\n".join(blocks(ROOT / page, "sh"))
    assert set(re.findall(r"^make ([a-z]+)", typed, flags=re.MULTILINE)) <= targets


def test_the_citation_is_of_this_software_its_paper_and_its_corpus() -> None:
    """The keys are those that the schema of CFF 1.2.0 requires."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["cff-version"] == "1.2.0"
    assert cited["message"]
    assert (cited["title"], cited["type"], cited["license"]) == ("cardio-ner", "software", "Apache-2.0")
    assert cited["authors"] == [{"name": "The cardio-ner authors"}]
    for reference in cited["references"]:
        assert {"type", "title", "authors"} <= reference.keys()
    paper, corpus = cited["references"]
    assert paper["identifiers"][0]["value"] == "arXiv:2510.17437"
    assert paper["authors"][0] == {"family-names": "Danu", "given-names": "Manuela Daniela"}
    assert corpus["doi"] == "10.5281/zenodo.10948354"
