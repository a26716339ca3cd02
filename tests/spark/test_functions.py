"""cardio_ner(text, language) in spark.sql(): what it answers, what never reaches Python, how often the model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql.pandas.functions import pandas_udf

from cardio_ner.spark import functions
from cardio_ner.spark.schema import ANNOTATION
from cardio_ner.spark.settings import Settings

INVALID = "CAST(X'ff53454352455420' AS STRING)"
ONCE = [
    "SELECT doc_id, a.status, a.reason, size(a.spans) FROM (SELECT *, cardio_ner(text, language) AS a FROM notes)",
    "SELECT doc_id, a.* FROM (SELECT *, cardio_ner(text, language) AS a FROM notes) WHERE a.status = 'annotated'",
    "SELECT tagged.*, a.* FROM (SELECT doc_id, cardio_ner(text, language) AS a FROM notes) AS tagged",
    "WITH tagged AS (SELECT doc_id, cardio_ner(text, language) AS a FROM notes) "
    "SELECT doc_id, a.language, m.* FROM tagged LATERAL VIEW OUTER inline(a.spans) m WHERE a.n_tokens > 0",
    "SELECT a.language, m.entity_type, count(*), max(m.score) FROM (SELECT cardio_ner(text, language) AS a FROM notes) "
    "LATERAL VIEW inline(a.spans) m GROUP BY ALL",
    "FROM notes |> EXTEND cardio_ner(text, language) AS a |> SELECT doc_id, a.status, inline(a.spans)",
]


@pytest.fixture
def notes(spark: SparkSession) -> None:
    """The view `notes`: two records, a null, and bytes that are not UTF-8."""
    spark.sql(
        "SELECT * FROM VALUES ('a', 'Toma enalapril por su HTA.', 'es'), ('b', 'The patient takes warfarin.', NULL), "
        f"('c', NULL, 'es'), ('d', {INVALID}, 'es') AS (doc_id, text, language)"
    ).createOrReplaceTempView("notes")


@pytest.fixture
def seen(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """A model in the place of the real one, and how many texts it has been given since the last call."""
    texts = spark.sparkContext.accumulator(0)

    def annotate(batches: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.DataFrame]:
        for given, _ in batches:
            texts.add(int(given.notna().sum()))
            mention = {"entity_type": "DISEASE", "start_offset": 0, "end_offset": 1, "text": "x", "score": 0.5}
            told = {"status": "annotated", "language": "es", "n_tokens": 1, "spans": [mention]}
            row = dict.fromkeys(ANNOTATION.names) | told
            yield pd.DataFrame([row] * len(given), columns=ANNOTATION.names)

    probe = pandas_udf(annotate, ANNOTATION).asNondeterministic()
    monkeypatch.setattr(functions, "annotation_udf", lambda *_: probe)

    def since() -> int:
        count, texts.value = texts.value, 0
        return int(count)

    return since


def test_it_answers_as_the_job_does_from_sql(spark: SparkSession, notes: None) -> None:
    functions.register(spark)
    rows = spark.sql(ONCE[0].replace("size(a.spans)", "a.spans.text")).orderBy("doc_id").collect()
    assert [tuple(row) for row in rows] == [
        ("a", "annotated", None, ["enalapril", "HTA"]),
        ("b", "annotated", None, ["warfarin"]),
        ("c", None, None, None),
        ("d", "rejected", "invalid_encoding", None),
    ]


def test_a_text_without_a_letter_is_empty_as_in_the_job(spark: SparkSession, seen: Callable[[], int]) -> None:
    functions.register(spark)
    told = "SELECT cardio_ner(text, NULL) AS a FROM VALUES (''), (' \\t\\n'), ('\u00a0\u200b'), ('x') AS (text)"
    rows = spark.sql(f"SELECT a.status, a.reason FROM ({told})").collect()
    assert sorted(map(tuple, rows), key=str) == [("annotated", None), *[("rejected", "empty_text")] * 3]


def test_the_language_of_the_settings_is_that_of_every_text(spark: SparkSession) -> None:
    functions.register(spark, Settings(language="es-ES"))
    told = "SELECT cardio_ner('The patient takes warfarin.', language) AS a FROM VALUES (NULL), ('en') AS (language)"
    rows = spark.sql(f"SELECT a.language, a.language_source, a.status FROM ({told})").collect()
    assert {tuple(row) for row in rows} == {("es", "given", "annotated")}


def test_bad_bytes_never_reach_python_in_the_language_either(
    spark: SparkSession, notes: None, seen: Callable[[], int]
) -> None:
    functions.register(spark)
    rows = spark.sql(
        f"SELECT cardio_ner(text, IF(doc_id = 'a', {INVALID}, language)).reason AS r FROM notes WHERE doc_id <> 'c'"
    )
    assert sorted(str(row.r) for row in rows.collect()) == ["None", "invalid_encoding", "invalid_encoding"]
    assert seen() == 2  # the texts of a and b are sound


@pytest.mark.parametrize("query", ONCE)
def test_the_documented_patterns_run_the_model_once_per_row(
    query: str, spark: SparkSession, notes: None, seen: Callable[[], int]
) -> None:
    functions.register(spark)
    spark.sql(query).collect()
    assert seen() == 2


def test_written_twice_it_runs_twice(spark: SparkSession, notes: None, seen: Callable[[], int]) -> None:
    functions.register(spark)
    spark.sql("SELECT cardio_ner(text, language).status, cardio_ner(text, language).spans FROM notes").collect()
    assert seen() == 4


def test_registering_again_replaces_it(spark: SparkSession, notes: None, seen: Callable[[], int]) -> None:
    functions.register(spark)
    functions.register(spark)
    assert spark.sql("SELECT cardio_ner('x', 'es').language AS code").first().code == "es"
