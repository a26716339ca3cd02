"""A whole run through real Spark and the checkpoints that ship: every row kept, tables that two engines read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unicodedata import normalize

import duckdb
import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType
from pyspark.testing import assertDataFrameEqual, assertSchemaEqual

from cardio_ner.document import Document
from cardio_ner.errors import ConfigError, InputError, RunError
from cardio_ner.report.tables import open_tables, packaged_sql
from cardio_ner.spark import catalog, listing
from cardio_ner.spark.account import RunAccount
from cardio_ner.spark.hadoop import File
from cardio_ner.spark.pipeline import annotate
from cardio_ner.spark.schema import DOCUMENTS, SPANS
from cardio_ner.spark.settings import Settings
from cardio_ner.spark.tables import read_documents, read_spans
from cardio_ner.tagger import Tagger
from tiny_models import CLINICAL_TEXT

ROOT = Path(__file__).parents[2]
NOTES = ROOT / "examples/notes"


def test_every_note_has_one_row_and_the_summary_says_so(
    spark: SparkSession, annotated_notes: tuple[Path, RunAccount]
) -> None:
    output, summary = annotated_notes
    documents = read_documents(spark, str(output))
    expected = {str(path.relative_to(NOTES).with_suffix("")) for path in NOTES.rglob("*.txt")}
    assert {row.doc_id for row in documents.collect()} == expected
    assert documents.count() == len(expected) == sum(summary.outcomes().values())
    assert summary.outcomes() == {"annotated": len(expected)}
    assert sum(summary.mentions().values()) == read_spans(spark, str(output)).count()


def test_the_tables_have_the_declared_columns_and_staging_is_gone(
    spark: SparkSession, annotated_notes: tuple[Path, RunAccount]
) -> None:
    output, _ = annotated_notes
    assertSchemaEqual(read_documents(spark, str(output)).schema, DOCUMENTS)
    assertSchemaEqual(read_spans(spark, str(output)).schema, SPANS)
    assert not (output / "_staging").exists()
    for table, schema in (("documents", DOCUMENTS), ("spans", SPANS)):  # as files say, whoever reads them
        found = spark.read.parquet(str(output / table)).schema
        assertSchemaEqual(StructType([found[name] for name in schema.names]), schema)


def test_the_spans_table_equals_the_tagger_on_the_same_documents(
    spark: SparkSession, annotated_notes: tuple[Path, RunAccount]
) -> None:
    output, _ = annotated_notes
    columns = ["doc_id", "start_offset", "end_offset", "entity_type", "text"]
    expected = []
    for language in ("es", "en", "it"):
        files = sorted((NOTES / language).glob("*.txt"))
        documents = [Document(f"{language}/{p.stem}", language, p.read_bytes().decode()) for p in files]
        for document in Tagger.load(language).tag(documents):
            expected += [(document.doc_id, s.start, s.end, s.entity_type, document.mention(s)) for s in document.spans]
    assert len(expected) > 100
    actual = read_spans(spark, str(output)).select(*columns)
    assertDataFrameEqual(actual, spark.createDataFrame(expected, actual.schema))


def test_offsets_cut_the_mention_out_of_the_file_in_python_spark_and_duckdb(
    spark: SparkSession, annotated_notes: tuple[Path, RunAccount]
) -> None:
    output, _ = annotated_notes
    name = "es/11_nota_movil_emoji"
    text = (NOTES / f"{name}.txt").read_bytes().decode()
    spans = read_spans(spark, str(output)).where(f"doc_id = '{name}'").collect()
    assert spans
    mentions = tuple(span.text for span in spans)
    assert tuple(text[span.start_offset : span.end_offset] for span in spans) == mentions
    cuts = [f"substr(t, {span.start_offset + 1}, {span.end_offset - span.start_offset})" for span in spans]
    assert tuple(spark.createDataFrame([(text,)], "t string").selectExpr(*cuts).first()) == mentions
    assert duckdb.execute(f"SELECT {', '.join(cuts)} FROM (SELECT ? AS t)", [text]).fetchall() == [mentions]


def test_duckdb_and_spark_answer_the_packaged_queries_alike(
    spark: SparkSession, annotated_notes: tuple[Path, RunAccount]
) -> None:
    output, _ = annotated_notes
    catalog.open_tables(spark, str(output))
    tables = open_tables(output)
    spark.udf.register("nfc_normalize", lambda text: normalize("NFC", text))
    for name in ("top_mentions", "documents_by_outcome"):
        from_spark = [tuple(row) for row in spark.sql(packaged_sql(name)).collect()]
        assert from_spark
        assert from_spark == tables.execute(packaged_sql(name)).fetchall(), name


def test_rows_that_cannot_be_annotated_are_kept_with_their_reason(spark: SparkSession, tmp_path: Path) -> None:
    records = [
        {"id": "a", "note": "Toma bisoprolol.", "lang": "es", "ward": 4},
        {"id": "b", "note": "Prend du bisoprolol.", "lang": "fr", "ward": 5},
        {"id": "c", "note": "  ", "lang": "es", "ward": 6},
        {"note": "Assume bisoprololo.", "lang": "it", "ward": 7},
    ]
    spark.createDataFrame(records, "id string, note string, lang string, ward int").write.parquet(str(tmp_path / "in"))
    settings = Settings(id_column="id", text_column="note", language_column="lang", keep=("ward",))
    summary = annotate(spark, str(tmp_path / "in"), str(tmp_path / "out"), settings)
    assert summary.outcomes() == {"annotated": 1, "unsupported_language": 1, "empty_text": 1, "null_id": 1}
    rows = spark.read.parquet(str(tmp_path / "out/documents")).orderBy("ward").collect()
    assert [(r.doc_id, r.ward, r.status, r.reason, r.n_spans) for r in rows] == [
        ("a", 4, "annotated", None, 1),
        ("b", 5, "rejected", "unsupported_language", None),
        ("c", 6, "rejected", "empty_text", None),
        (None, 7, "rejected", "null_id", None),
    ]
    assert rows[0].model_id is not None
    assert {r.model_id for r in rows[1:]} == {None}


def test_columns_of_any_name_are_kept_and_known_again(spark: SparkSession, tmp_path: Path) -> None:
    names = ("a.b", "c d", "e`f")
    row = ("1", "es", "Toma bisoprolol.", 4, "x", [5])
    schema = "doc_id string, language string, text string, `a.b` int, `c d` string, `e``f` array<int>"
    settings = Settings(keep=names)
    for batch in range(2):
        spark.createDataFrame([row], schema).coalesce(1).write.mode("append").parquet(str(tmp_path / "in"))
        summary = annotate(spark, str(tmp_path / "in"), str(tmp_path / "out"), settings)
        assert summary.outcomes() == {("annotated", "unchanged")[batch]: 1}
    rows = read_documents(spark, str(tmp_path / "out")).collect()
    assert [tuple(found[name] for name in names) for found in rows] == [row[3:], row[3:]]


def test_a_kept_column_that_the_tables_spell_otherwise_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    for name in ("Ward", "ward"):
        frame = spark.createDataFrame(
            [(name, "xx", "Tos", "4")], f"doc_id string, language string, text string, {name} string"
        )
        frame.write.parquet(str(tmp_path / name))
    annotate(spark, str(tmp_path / "Ward"), str(tmp_path / "out"), Settings(keep=("Ward",)))
    with pytest.raises(ConfigError, match=r"--keep ward: .*/documents spells it Ward: rename the column in a view"):
        annotate(spark, str(tmp_path / "ward"), str(tmp_path / "out"), Settings(keep=("ward",)))
    assert read_documents(spark, str(tmp_path / "out")).count() == 1


def test_an_output_that_is_no_folder_or_cannot_be_one_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    notes, file = tmp_path / "notes.jsonl", tmp_path / "file"
    notes.write_text('{"doc_id": "a", "text": "Tos"}\n')
    file.write_text("")
    cases = {
        str(file): "file: .*: expected a folder that this user may write to",
        str(tmp_path / "2024-01-01T10:30"): "has a colon",
        "hdfs://127.0.0.1:1/a:b": "has a colon",
        "nowhere://bucket:8020/out": "UnsupportedFileSystemException: expected a folder",
        "hdfs://nowhere.invalid:8020/out": "IllegalArgumentException: expected a folder",
        "": "IllegalArgumentException: expected a folder",
    }
    for output, said in cases.items():
        with pytest.raises(InputError, match=said):
            annotate(spark, str(notes), output, Settings())
    with pytest.raises(InputError, match=r"UnsupportedFileSystemException: expected a path .* has the jars for"):
        annotate(spark, "nowhere://bucket/in", str(tmp_path / "out"), Settings())
    for path in ("hdfs://nowhere.invalid:8020/in", ""):
        with pytest.raises(InputError, match=r"IllegalArgumentException: expected a path .* can be reached"):
            annotate(spark, path, str(tmp_path / "out"), Settings())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "notes.jsonl"]


def test_an_input_with_a_folder_that_cannot_be_read_is_refused(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read all folders: an error of Java's stands in for AccessDeniedException."""
    real = listing.files_below

    def forbidden(spark_: SparkSession, path: str) -> Iterator[File]:
        yield from real(spark_, path)
        jvm: Any = spark_._jvm
        jvm.java.io.FileInputStream(str(tmp_path / "nowhere"))

    monkeypatch.setattr(listing, "files_below", forbidden)
    with pytest.raises(InputError, match=r"cannot be listed \(FileNotFoundException\): expected folders that this"):
        annotate(spark, str(tmp_path), str(tmp_path / "out"), Settings())


def test_an_output_whose_lock_cannot_be_written_is_refused(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes.jsonl").write_text('{"doc_id": "a", "text": "Tos"}\n')

    def refused(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("cardio_ner.spark.hadoop.os.open", refused)
    with pytest.raises(InputError, match=r"out: PermissionError: expected a folder that this user may write to"):
        annotate(spark, str(tmp_path / "notes.jsonl"), str(tmp_path / "out"), Settings())


@pytest.mark.parametrize("theirs", ["inputs/ward1/a.txt", "documents/a.txt", "spans/old/es/a.txt", "inputs/a.txt"])
def test_an_output_that_holds_somebodys_files_where_the_tables_go_is_refused_and_keeps_them(
    spark: SparkSession, tmp_path: Path, theirs: str
) -> None:
    note = tmp_path / "project" / theirs
    note.parent.mkdir(parents=True)
    note.write_text("Toma enalapril.")
    elsewhere = tmp_path / "elsewhere/es"
    elsewhere.mkdir(parents=True)
    (elsewhere / "b.txt").write_text("Toma aspirina.")
    top = "/".join(theirs.split("/")[:2])
    with pytest.raises(InputError, match=rf"{top} in it is of no run of this job: expected a folder of its own"):
        annotate(spark, str(elsewhere), str(tmp_path / "project"), Settings(language="es"))
    with pytest.raises(InputError, match=r"lies in .*/project/.*, a folder of the output's: expected another output"):
        annotate(spark, str(note.parent), str(tmp_path / "project"), Settings(language="es"))
    assert note.read_text() == "Toma enalapril."
    assert [path for path in (tmp_path / "project").rglob("*") if path.is_file()] == [note]


def test_a_first_run_without_any_mention_leaves_readable_empty_tables(spark: SparkSession, tmp_path: Path) -> None:
    notes, output = tmp_path / "notes.jsonl", tmp_path / "out"
    notes.write_text(json.dumps({"doc_id": "a", "language": "xx", "text": "…"}) + "\n")
    annotate(spark, str(notes), str(output), Settings())
    assert read_spans(spark, str(output)).collect() == []
    assert read_documents(spark, str(output)).count() == 1
    assert open_tables(output).execute("SELECT count(*) FROM spans_current").fetchone() == (0,)


def test_a_document_of_20_mb_beside_many_short_ones_keeps_its_place_and_theirs(
    spark: SparkSession, tmp_path: Path, two_group_checkpoint: Path
) -> None:
    """A fortieth of it is words, as in an export with pages of blanks: the test ends in seconds."""
    page = f"{CLINICAL_TEXT}\n".ljust(8_000)
    long = page * 2_500
    rows = [(f"{number}", CLINICAL_TEXT, "es") for number in range(500)] + [("long", long, "es")]
    frame = spark.createDataFrame(rows, "doc_id string, text string, language string")
    frame.repartition(1).write.parquet(str(tmp_path / "in"))
    output, settings = tmp_path / "out", Settings(checkpoints={"es": str(two_group_checkpoint)})
    account = annotate(spark, str(tmp_path / "in"), str(output), settings)
    assert account.outcomes() == {"annotated": 501}
    [plain] = Tagger.load(str(two_group_checkpoint)).tag([Document("short", "es", CLINICAL_TEXT)])
    counted = read_documents(spark, str(output)).groupBy("n_spans").count().collect()
    assert {row["count"]: row["n_spans"] for row in counted}[500] == len(plain.spans)
    spans = read_spans(spark, str(output)).where("doc_id = 'long'").orderBy("start_offset").collect()
    assert spans[-1].start_offset > 19_980_000
    assert all(long[span.start_offset : span.end_offset] == span.text for span in spans)


def test_an_account_that_cannot_be_written_stops_the_run_in_one_line(
    spark: SparkSession, tmp_path: Path, two_group_checkpoint: Path
) -> None:
    """As on a disk that is full."""
    (tmp_path / "out/run.json.new/in the way").mkdir(parents=True)
    settings = Settings(checkpoints={"es": str(two_group_checkpoint)})
    with pytest.raises(RunError, match=r"out/run.json: cannot be written \(\w+\): expected room on its disk"):
        annotate(spark, str(NOTES), str(tmp_path / "out"), settings)
