"""views.sql, the same text in Spark SQL and in DuckDB, over the same hand-made files: each rule of `spans_current` and
each column of `note_nlp`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from cardio_ner.report import tables as duckdb_tables
from cardio_ner.spark import catalog
from hand_tables import Row, day, document, rejected, sha, span, unchanged, write_documents, write_spans

Ask = Callable[[str], list[tuple]]
NOTE_NLP = {  # OMOP CDM 5.4: github.com/OHDSI/CommonDataModel, inst/ddl/5.4; the identifiers are wider than `integer`
    "note_nlp_id": "bigint",
    "note_id": "bigint",
    "section_concept_id": "integer",
    "snippet": "varchar",
    "offset": "varchar",
    "lexical_variant": "varchar",
    "note_nlp_concept_id": "integer",
    "note_nlp_source_concept_id": "integer",
    "nlp_system": "varchar",
    "nlp_date": "date",
    "nlp_datetime": "timestamp",
    "term_exists": "varchar",
    "term_temporal": "varchar",
    "term_modifiers": "varchar",
}


@pytest.fixture
def ask(spark: SparkSession, tmp_path: Path) -> Ask:
    """Asks both engines over `tmp_path`, wants one answer (as a set of rows), and gives it sorted."""

    def both(query: str) -> list[tuple]:
        catalog.open_tables(spark, str(tmp_path))
        in_spark = sorted((tuple(row) for row in spark.sql(query).collect()), key=str)
        in_duckdb = sorted(duckdb_tables.open_tables(tmp_path).execute(query).fetchall(), key=str)
        assert in_spark == in_duckdb
        return in_spark

    return both


CURRENT = "SELECT doc_id, text FROM spans_current"
D1A = document("d", "b1-0", at=1)
CASES: dict[str, tuple[list[Row], list[Row], list[tuple[str, str]]]] = {
    "the latest batch": (
        [D1A, document("d", "b2-0", at=2)],
        [span("d", "b1-0", "old"), span("d", "b2-0", "new")],
        [("d", "new")],
    ),
    "a batch of a smaller name that came later": (
        [document("d", "b9-0", at=1), document("d", "b1-0", at=2)],
        [span("d", "b9-0", "old"), span("d", "b1-0", "new")],
        [("d", "new")],
    ),
    "nothing after a rejection": ([D1A, rejected("d", "b2-0", at=2)], [span("d", "b1-0", "old")], []),
    "nothing once a document has no mention any more": (
        [D1A, document("d", "b2-0", at=2, text="B", n_spans=0)],
        [span("d", "b1-0", "old")],
        [],
    ),
    "those of the source batch after unchanged": (
        [D1A, unchanged("d", "b2-0", at=2, source="b1-0")],
        [span("d", "b1-0", "kept")],
        [("d", "kept")],
    ),
    "those of the source batch, not of the batch between": (
        [D1A, document("d", "b2-0", at=2, text="B"), unchanged("d", "b3-0", at=3, source="b1-0")],
        [span("d", "b1-0", "A again"), span("d", "b2-0", "of B", of="B")],
        [("d", "A again")],
    ),
    "once where the twin is in the same batch": (
        [D1A, unchanged("d", "b1-0", at=1, source="b1-0")],
        [span("d", "b1-0", "once")],
        [("d", "once")],
    ),
    "nothing of a half-written batch": (
        [D1A],
        [span("d", "b1-0", "old"), span("d", "b2-0", "half"), span("e", "b2-0", "half")],
        [("d", "old")],
    ),
    "the text modified last, of two in one batch": (
        [
            document("d", "b1-0", at=1, source_modified_at=day(3)),
            document("d", "b1-0", at=1, text="B", source_modified_at=day(4)),
        ],
        [span("d", "b1-0", "of A"), span("d", "b1-0", "of B", of="B")],
        [("d", "of B")],
    ),
    "a text with a time rather than one without": (
        [document("d", "b1-0", at=1, source_modified_at=day(3)), document("d", "b1-0", at=1, text="B")],
        [span("d", "b1-0", "of A"), span("d", "b1-0", "of B", of="B")],
        [("d", "of A")],
    ),
    "one text, always the same, where nothing tells which is newer": (
        [document("d", "b1-0", at=1, text="B"), D1A],
        [span("d", "b1-0", "of A"), span("d", "b1-0", "of B", of="B")],
        [("d", "of A" if sha("A") < sha("B") else "of B")],
    ),
    "the readable one of two rows that came together": (
        [rejected("d", "b1-0", at=1), D1A],
        [span("d", "b1-0", "read")],
        [("d", "read")],
    ),
    "those of one model, of two in one batch": (
        [document("d", "b1-0", at=1, model_id="m2"), D1A],
        [span("d", "b1-0", "of m1"), span("d", "b1-0", "of m2", model_id="m2")],
        [("d", "of m1")],
    ),
    "those of one language, of two in one batch and model": (
        [document("d", "b1-0", at=1, language="it"), D1A],
        [span("d", "b1-0", "in Spanish"), span("d", "b1-0", "in Italian", language="it")],
        [("d", "in Spanish")],
    ),
    "nothing of a null doc_id": (
        [rejected(None, "b1-0", at=1), document(None, "b1-0", at=2), D1A],
        [span(None, "b1-0", "nobody's"), span("d", "b1-0", "mine")],  # type: ignore[arg-type]
        [("d", "mine")],
    ),
    "nothing at all": ([rejected("d", "b1-0", at=1)], [], []),
}


@pytest.mark.parametrize("case", CASES)
def test_spans_current_shows(case: str, ask: Ask, tmp_path: Path) -> None:
    documents, spans, expected = CASES[case]
    write_documents(tmp_path, *documents)
    write_spans(tmp_path, *spans)
    assert ask(CURRENT) == expected
    assert len(ask("SELECT note_nlp_id FROM note_nlp")) == len(expected)


def test_spans_current_has_the_columns_of_spans(ask: Ask, spark: SparkSession, tmp_path: Path) -> None:
    write_documents(tmp_path, D1A)
    write_spans(tmp_path, span("d", "b1-0", "x"))
    assert ask("SELECT * FROM spans_current") == ask("SELECT * FROM spans")
    assert spark.table("spans_current").schema == spark.table("spans").schema


def test_the_tables_have_the_declared_columns_in_both_engines(ask: Ask, spark: SparkSession, tmp_path: Path) -> None:
    write_documents(tmp_path, D1A)
    ask("SELECT * FROM spans")
    for table, types in (("documents", duckdb_tables.DOCUMENT_TYPES), ("spans", duckdb_tables.SPAN_TYPES)):
        alike = {"string": "VARCHAR", "int": "INTEGER"}
        in_spark = {name: alike.get(kind, kind.upper()) for name, kind in spark.table(table).dtypes}
        assert in_spark == types


def test_note_nlp_has_the_columns_of_the_common_data_model_in_its_order_and_types(
    ask: Ask, spark: SparkSession, tmp_path: Path
) -> None:
    write_documents(tmp_path, D1A)
    assert ask("SELECT * FROM note_nlp") == []
    alike = {"string": "varchar", "int": "integer"}
    assert [(name, alike.get(kind, kind)) for name, kind in spark.table("note_nlp").dtypes] == list(NOTE_NLP.items())
    described = duckdb_tables.open_tables(tmp_path).execute("DESCRIBE note_nlp").fetchall()
    assert [(row[0], row[1].lower()) for row in described] == list(NOTE_NLP.items())


def test_note_nlp_tells_the_system_and_the_run_that_found_a_mention(ask: Ask, tmp_path: Path) -> None:
    write_documents(
        tmp_path, document("7", "b1-0", at=1), unchanged("7", "b2-0", at=9, source="b1-0", annotator_version="9")
    )
    write_spans(tmp_path, span("7", "b1-0", "infarto 💔", start=3, entity_type="DISEASE"))
    (row,) = ask(
        "SELECT note_id, section_concept_id, snippet, t.offset, lexical_variant, note_nlp_concept_id, "
        "note_nlp_source_concept_id, nlp_system, nlp_date, CAST(nlp_datetime AS STRING), term_exists, term_temporal, "
        "term_modifiers FROM note_nlp AS t"
    )
    when = (date(2024, 5, 1), "2024-05-01 23:30:00")
    system = "cardio-ner 0.1.0 m1"
    assert row == (7, None, None, "3", "infarto 💔", 0, 0, system, *when, None, None, "entity_type=DISEASE")


@pytest.mark.parametrize(
    ("doc_id", "note_id"),
    [
        ("7", 7),
        ("-7", -7),
        ("9223372036854775807", 9223372036854775807),
        *((text, None) for text in ("9223372036854775808", "007", "+7", " 7", "7.0", "7e2", "0x7", "1_0", "es/7", "")),
    ],
)
def test_a_doc_id_is_a_note_id_where_it_is_a_plain_integer_and_else_it_is_kept(
    doc_id: str, note_id: int | None, ask: Ask, tmp_path: Path
) -> None:
    write_documents(tmp_path, document(doc_id, "b1-0", at=1))
    write_spans(tmp_path, span(doc_id, "b1-0", "x"))
    kept = "entity_type=DISEASE" + ("" if note_id is not None else f",doc_id={doc_id}")
    assert ask("SELECT note_id, term_modifiers FROM note_nlp") == [(note_id, kept)]


def test_note_nlp_ids_are_the_same_in_every_engine_and_batch_and_tell_mentions_apart(ask: Ask, tmp_path: Path) -> None:
    mentions = [("1", "x", {}), ("1", "x", {"start": 5}), ("1", "xy", {}), ("1", "x", {"entity_type": "MEDICATION"})]
    mentions += [(str(number), "x", {}) for number in range(2, 500)]
    write_documents(tmp_path, *(document(str(number), "b1-0", at=1) for number in range(1, 500)))
    write_spans(tmp_path, *(span(doc_id, "b1-0", mention, **values) for doc_id, mention, values in mentions))
    first = ask("SELECT note_nlp_id FROM note_nlp")
    assert len(set(first)) == len(mentions)
    assert all(0 <= number < 8 * 10**18 for (number,) in first)
    write_documents(tmp_path, *(document(str(number), "b2-0", at=2) for number in range(1, 500)))
    write_spans(tmp_path, *(span(doc_id, "b2-0", mention, **values) for doc_id, mention, values in mentions))
    assert ask("SELECT note_nlp_id FROM note_nlp") == first


def test_a_mention_longer_than_the_model_allows_is_cut_to_250_characters(ask: Ask, tmp_path: Path) -> None:
    write_documents(tmp_path, D1A)
    write_spans(tmp_path, span("d", "b1-0", "á💊" * 200))
    assert ask("SELECT lexical_variant FROM note_nlp") == [("á💊" * 125,)]


def test_a_document_annotated_twice_in_one_batch_gives_each_mention_once(ask: Ask, tmp_path: Path) -> None:
    write_documents(tmp_path, D1A, D1A)
    write_spans(tmp_path, span("d", "b1-0", "x"))
    assert len(ask("SELECT * FROM spans_current")) == len(ask("SELECT note_nlp_id FROM note_nlp")) == 1


def test_what_became_of_the_records_has_the_same_order_in_both_engines(spark: SparkSession, tmp_path: Path) -> None:
    nameless = rejected("c", "b1-0", at=1, language=None)
    write_documents(tmp_path, nameless, rejected("b", "b1-0", at=1), document("d", "b1-0", at=1))
    catalog.open_tables(spark, str(tmp_path))
    query = duckdb_tables.packaged_sql("documents_by_outcome")
    in_spark = [tuple(row) for row in spark.sql(query).collect()]
    assert in_spark == duckdb_tables.open_tables(tmp_path).execute(query).fetchall()
    assert [row[0] for row in in_spark] == ["es", "es", None]


def test_documents_current_has_each_document_once_and_every_row_that_is_nobodys(ask: Ask, tmp_path: Path) -> None:
    write_documents(
        tmp_path,
        D1A,
        rejected("d", "b2-0", at=2),
        document("e", "b1-0", at=1),
        unchanged("e", "b2-0", at=2, source="b1-0"),
        rejected(None, "b1-0", at=1),
        rejected(None, "b2-0", at=2),
    )
    write_spans(tmp_path, span("d", "b1-0", "old"), span("e", "b1-0", "kept"))
    rows = ask("SELECT doc_id, status, batch_id FROM documents_current")
    assert rows == [
        ("d", "rejected", "b2-0"), ("e", "unchanged", "b2-0"), (None, "rejected", "b1-0"), (None, "rejected", "b2-0"),
    ]  # fmt: skip
    assert ask("SELECT text, status FROM spans_current JOIN documents_current USING (doc_id)") == [
        ("kept", "unchanged")
    ]
    told = ask(duckdb_tables.packaged_sql("documents_by_outcome"))
    assert sum(row[3] for row in told) == 4
    assert {row[1:3]: row[4] for row in told} == {("rejected", "empty_text"): None, ("unchanged", None): 1}


def test_an_unreadable_file_is_told_until_rows_of_it_come(ask: Ask, tmp_path: Path) -> None:
    quarantined = {"reason": "unreadable_file", "text_sha256": None, "language": None}
    write_documents(
        tmp_path,
        document("m", "b1-0", at=1, source_file="mended"),
        rejected("mended", "b2-0", at=2, source_file="mended", **quarantined),
        document("m", "b3-0", at=3, source_file="mended"),
        document("s", "b1-0", at=1, source_file="spoilt"),
        rejected("spoilt", "b2-0", at=2, source_file="spoilt", **quarantined),
        rejected("spoilt", "b3-0", at=3, source_file="spoilt", **quarantined),
    )
    rows = ask("SELECT doc_id, reason, batch_id FROM documents_current")
    assert rows == [("m", None, "b3-0"), ("s", None, "b1-0"), ("spoilt", "unreadable_file", "b3-0")]


def test_rows_without_doc_id_are_those_of_a_files_last_reading(ask: Ask, tmp_path: Path) -> None:
    """Of a file that came again they go; where its failed documents alone were tagged again they stay."""
    null = {"reason": "null_id"}
    first, second = {"source_modified_at": day(1)}, {"source_modified_at": day(2)}
    write_documents(
        tmp_path,
        rejected(None, "b1-0", at=1, source_file="nightly", **null, **first),
        rejected(None, "b2-0", at=2, source_file="nightly", **null, **second),
        rejected(None, "b2-0", at=2, source_file="nightly", **null, **second),
        rejected(None, "b1-0", at=1, source_file="mended", **null, **first),
        document("m", "b2-0", at=2, source_file="mended", **second),
        rejected(None, "b1-0", at=1, source_file="retried", **null, **first),
        document("r", "b2-0", at=2, source_file="retried", **first),
        rejected(None, "b1-0", at=1, source_file="twice", **null, **first),
        rejected(None, "b2-0", at=2, source_file="twice", **null, **first),
        rejected(None, "b1-0", at=1, **null),
        rejected(None, "b2-0", at=2, **null),
    )
    rows = ask("SELECT coalesce(source_file, 'a table'), batch_id FROM documents_current WHERE doc_id IS NULL")
    assert rows == [
        ("a table", "b1-0"), ("a table", "b2-0"), ("nightly", "b2-0"), ("nightly", "b2-0"), ("retried", "b1-0"),
        ("twice", "b2-0"),
    ]  # fmt: skip


@pytest.mark.parametrize("above", ["language=en", "doc_id=9", "batch_id=b9-0", "country=es"])
def test_folders_above_the_output_that_look_like_columns_are_none(
    spark: SparkSession, tmp_path: Path, above: str
) -> None:
    output = tmp_path / above / "out"
    write_documents(output, D1A, document("e", "b1-0", at=1))
    write_spans(output, span("d", "b1-0", "mine"))
    catalog.open_tables(spark, str(output))
    in_duckdb = duckdb_tables.open_tables(output)
    for query in (
        "SELECT doc_id, language, batch_id FROM documents_current ORDER BY 1",
        "SELECT doc_id, text, language, entity_type, batch_id FROM spans_current",
    ):
        rows = in_duckdb.execute(query).fetchall()
        assert rows == [tuple(row) for row in spark.sql(query).collect()]
        assert rows[0][0] == "d"
    assert in_duckdb.sql("SELECT * FROM documents").columns == spark.table("documents").columns


def test_of_copies_that_tie_the_one_that_was_tagged_is_shown(ask: Ask, tmp_path: Path) -> None:
    copy = unchanged("d", "b1-0", at=1, source="b1-0", source_file="a")
    write_documents(tmp_path, copy, document("d", "b1-0", at=1, source_file="b"))
    assert ask("SELECT status, source_file FROM documents_current") == [("annotated", "b")]
