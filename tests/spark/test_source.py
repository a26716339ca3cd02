"""Every format leads to the same rows, and what must not reach Python is gated with its reason."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual

from cardio_ner.errors import ConfigError, InputError
from cardio_ner.language import fold_language
from cardio_ner.spark import pipeline
from cardio_ner.spark.failures import find_unreadable
from cardio_ner.spark.gate import fold
from cardio_ner.spark.pipeline import annotate, configure
from cardio_ner.spark.settings import Settings, read_settings
from cardio_ner.spark.source import FileSource, Source, open_source, open_table
from processes import PATIENCE
from submitting import command, environment

NOTES = {
    "es/01": "Estenosis aórtica.\r\nTratamiento: bisoprolol 2,5\u00a0mg 💊\r\n",
    "en/02, with comma": 'He said "no fever".\nWarfarin 3 mg\n',
    "it/ñ + 03": "Fibrillazione atriale, perche\u0301 assume apixaban",
}


def read_rows(spark: SparkSession, path: str, settings: Settings) -> DataFrame:
    """The gated rows of all files there are; what was counted in them is checked on the way."""
    return checked_rows(open_source(spark, path, settings))


def checked_rows(source: Source) -> DataFrame:
    files = list(source.listing())
    rows = source.rows(files)
    assert sum(source.counts(files).values()) == rows.count()
    return rows


def rows_of(spark: SparkSession, path: Path, **settings: Any) -> dict[str, tuple[str, str | None, str | None]]:
    frame = read_rows(spark, str(path), Settings(**settings))
    return {row.doc_id: (row.text, row.language, row.reason) for row in frame.collect()}


EXPECTED = {doc_id: (text, doc_id[:2], None) for doc_id, text in NOTES.items()}


def test_a_folder_of_text_files_keeps_every_byte_and_reads_language_from_the_folder(
    spark: SparkSession, tmp_path: Path
) -> None:
    for doc_id, text in NOTES.items():
        path = tmp_path / "in [put] {1}" / f"{doc_id}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        path.with_suffix(".ann").write_text("T1\tX 0 1\tE\n")
    assert rows_of(spark, tmp_path / "in [put] {1}") == EXPECTED


def test_json_lines_csv_and_parquet_give_the_rows_that_text_gives(spark: SparkSession, tmp_path: Path) -> None:
    records = [{"doc_id": i, "language": i[:2], "text": text} for i, text in NOTES.items()]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["doc_id", "language", "text"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
    spark.createDataFrame(records).write.parquet(str(tmp_path / "a.parquet"))
    for name in ("a.jsonl", "a.csv", "a.parquet"):
        assert rows_of(spark, tmp_path / name) == EXPECTED, name


def test_columns_are_named_and_the_language_can_be_set_for_all(spark: SparkSession, tmp_path: Path) -> None:
    record = {"note_id": 7, "note_text": "Fever", "lang": "es", "ward": "A"}
    (tmp_path / "notes.jsonl").write_text(json.dumps(record) + "\n")
    settings = Settings(id_column="note_id", text_column="note_text", language="en", keep=("ward",))
    row = read_rows(spark, str(tmp_path), settings).collect()[0]
    assert (row.doc_id, row.language, row.text, row.ward) == ("7", "en", "Fever", "A")


def test_rows_without_id_text_or_valid_encoding_are_gated(spark: SparkSession, tmp_path: Path) -> None:
    bad = b"\xff\xfeFiebre"
    frame = spark.createDataFrame(
        [(None, b"x"), ("none", None), ("empty", b""), ("blank", " \r\n\u00a0\u200b".encode()), ("bytes", bad)],
        "doc_id string, raw binary",
    ).selectExpr("doc_id", "cast(raw as string) as text")
    frame.write.parquet(str(tmp_path / "in"))
    rows = {row.doc_id: row for row in read_rows(spark, str(tmp_path / "in"), Settings()).collect()}
    assert {doc_id: row.reason for doc_id, row in rows.items()} == {
        None: "null_id",
        "none": "empty_text",
        "empty": "empty_text",
        "blank": "empty_text",
        "bytes": "invalid_encoding",
    }
    assert [row.text for row in rows.values()] == [None] * 5
    assert rows["bytes"].text_sha256 == hashlib.sha256(bad).hexdigest()
    assert rows["blank"].n_chars == 5


def test_a_line_that_is_not_one_json_object_is_a_row_that_says_so(spark: SparkSession, tmp_path: Path) -> None:
    lines = [
        '{"doc_id": 1, "text": "Fiebre"}',
        "no",
        '{"doc_id": 2}{"doc_id": 3}',
        '{"doc_id": "4", "te',
        "",
        '["x"]',
        "7",
    ]
    (tmp_path / "a.jsonl").write_text("\r\n".join(lines))
    rows = read_rows(spark, str(tmp_path), Settings()).collect()
    assert [(row.doc_id, row.reason, row.error_type) for row in rows] == [
        ("1", None, None), *[(None, "null_id", "MalformedJSON")] * 5
    ]  # fmt: skip


def test_a_key_that_only_some_lines_have_is_null_in_the_others(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"doc_id": 1, "text": "Fiebre", "ward": {"n": 4}}\n{"text": "x", "doc_id": "b"}\n'
    )
    rows = read_rows(spark, str(tmp_path), Settings(keep=("ward",))).collect()
    assert [(row.doc_id, row.text, row.ward) for row in rows] == [("1", "Fiebre", '{"n":4}'), ("b", "x", None)]


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "windows-1252"])
def test_files_in_another_encoding_are_read_when_it_is_named(
    encoding: str, spark: SparkSession, tmp_path: Path
) -> None:
    text = "Estenosis aórtica, ñ"
    record = json.dumps({"doc_id": "ñ", "text": text}, ensure_ascii=False)
    (tmp_path / "a.jsonl").write_text(record, encoding=encoding)
    (tmp_path / "a.csv").write_text(f"doc_id,text\nñ,{text}\n".replace(", ñ", " ñ"), encoding=encoding)
    (tmp_path / "t").mkdir()
    (tmp_path / "t/a.txt").write_text(text, encoding=encoding)
    annotator = Settings(encoding=encoding)
    configure(spark, annotator)
    assert read_rows(spark, str(tmp_path / "a.jsonl"), annotator).first().text == text
    row = read_rows(spark, str(tmp_path / "a.csv"), annotator).first()
    assert (row.doc_id, row.text) == ("ñ", text.replace(",", ""))
    assert read_rows(spark, str(tmp_path / "t"), annotator).first().text == text


def test_bytes_that_an_encoding_does_not_have_are_gated_not_replaced(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"Fiebre \x81 \xe9")
    settings = Settings(encoding="windows-1252")
    configure(spark, settings)
    assert read_rows(spark, str(tmp_path), settings).first().reason == "invalid_encoding"


def test_csv_files_with_another_header_or_none_are_quarantined_before_spark_reads_them(
    spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / "b.csv").write_text("doc_id,text\n1,Fiebre\n")
    for name, text in {"a": "2,Mrs X\n3,Tos\n", "c": "text,doc_id\nTos,2\n", "d": "doc_id,text,x\n4,Tos,\n"}.items():
        (tmp_path / f"{name}.csv").write_text(text)
    (tmp_path / "e.csv").write_text("\nDOC_ID,Text\n5,Tos\ndoc_id,text\n\n6,text\n")
    (tmp_path / "f.csv").write_text("doc_id,text\n7," + "a," * 20_480 + "\n")
    (tmp_path / "g.csv").write_text("\n\n")
    (tmp_path / "h.csv").write_text('\ufeff"doc_id","text"\n"8","Tos"\n', encoding="utf-8")
    source = open_source(spark, str(tmp_path), Settings())
    files = sorted(source.listing(), key=lambda file: file.path)
    other, wide = "OtherHeader", "TooManyColumns"
    counts = source.counts(files)
    assert [counts[file.path] for file in files] == [other, 1, other, other, 2, wide, 0, 1]
    readable = [file for file in files if isinstance(counts[file.path], int)]
    assert sorted(row.doc_id for row in source.rows(readable).collect()) == ["1", "5", "6", "8"]
    assert find_unreadable(source, [file for file in files if counts[file.path] != wide]) == {}


def test_csv_headers_may_have_a_mark_line_ends_and_names_that_are_empty_or_the_same(
    spark: SparkSession, tmp_path: Path
) -> None:
    text = '\ufeffdoc_id,,"a\n""b""",w,w,text\n1,0,x,,,"Fiebre,\n\ntos `y`"\n2,,,,,z' + "," * 20_474 + "\n"
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    rows = read_rows(spark, str(tmp_path), Settings(keep=('a\n"b"',))).collect()
    assert [(row.doc_id, row.text, row[8]) for row in rows] == [("1", "Fiebre,\n\ntos `y`", "x"), ("2", "z", None)]
    with pytest.raises(InputError, match="has the column 'w' twice"):
        open_source(spark, str(tmp_path), Settings(keep=("w",)))


def test_compressed_csv_and_files_read_in_parts_are_counted_as_they_are_read(
    spark: SparkSession, tmp_path: Path
) -> None:
    lines = [("doc_id,text",), *((f'{i},"Fiebre {i},\n\n""tos"""',) for i in range(300))]
    frame = spark.createDataFrame(lines, "value string").coalesce(1)
    spark.conf.set("spark.sql.files.maxPartitionBytes", 2000)
    spark.conf.set("spark.sql.files.openCostInBytes", 0)
    try:
        for codec in ("none", "gzip", "bzip2", "deflate", "lz4", "snappy"):
            frame.write.option("compression", codec).text(str(tmp_path / "parts"))
            (part,) = (tmp_path / "parts").glob("part-*")
            part.rename(tmp_path / f"{codec}.csv{part.suffix.removesuffix('.txt')}")
            shutil.rmtree(tmp_path / "parts")
        source = open_source(spark, str(tmp_path), Settings())
        assert list(source.counts(list(source.listing())).values()) == [300] * 6
        rows = checked_rows(source)
        assert rows.select("doc_id", "text").distinct().count() == 300
    finally:
        spark.conf.unset("spark.sql.files.maxPartitionBytes")
        spark.conf.unset("spark.sql.files.openCostInBytes")


def test_compression_that_spark_cannot_open_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "a.csv.zst").write_bytes(b"(\xb5/\xfd")
    with pytest.raises(InputError, match=r"a\.csv\.zst: Spark cannot open \.zst files here: expected \.gz"):
        open_source(spark, str(tmp_path), Settings())


@pytest.mark.parametrize("name", ["latin-1", "no name", ""])
def test_an_encoding_that_java_does_not_know_is_refused(name: str, spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"--encoding {name}: Java knows no such encoding: expected .*ISO-8859-1"):
        open_source(spark, str(tmp_path), Settings(encoding=name))


def test_a_csv_without_a_header_is_refused_without_a_word_of_it(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,es,Mrs X has a fever\n2,es,Tos\n")
    with pytest.raises(InputError, match=r"no column 'doc_id' \(--id-column\) among its 3: .*first line") as error:
        open_source(spark, str(tmp_path), Settings())
    assert "Mrs X" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"doc_id;text\n1;Mrs X\n", "separated by semicolons: expected commas"),
        ("a.csv", b"doc_id\ttext\n1\tMrs X\n", "separated by tabs: expected commas"),
        ("a.csv", "doc_id,text\n1,Mrs X\n".encode("utf-16"), "is UTF-16: expected CSV in UTF-8"),
        ("a.csv", b"doc_id, text\n1, Mrs X\n", "white space beside the name 'text'"),
        ("a.csv", b"doc_id,text,text\n1,Mrs X,y\n", "has the column 'text' twice"),
        ("a.json", b'[{"doc_id": 1, "text": "Mrs X"}]', r"\(an array: jq -c '\.\[\]' makes lines of it\)"),
        ("a.json", b'{\n "doc_id": 1,\n "text": "Mrs X"\n}', r"\(over several lines: jq -c \. makes one"),
        ("a.ndjson", b'{"resourceType": "DocumentReference", "id": "Mrs X"}', "or, of FHIR, --preset fhir"),
    ],
)
def test_what_is_written_otherwise_is_refused_with_who_writes_it_anew(
    spark: SparkSession, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        open_source(spark, str(tmp_path), Settings())
    assert "Mrs X" not in str(error.value)


@pytest.mark.parametrize(
    "content",
    ['{"resourceType": "Bundle", "entry": [{"resource": {"id": "Mrs X"}}]}', '{\n "resourceType":\n "Bundle"\n}'],
)
def test_fhir_that_is_no_resource_a_line_is_refused(spark: SparkSession, tmp_path: Path, content: str) -> None:
    (tmp_path / "a.ndjson").write_text(content)
    with pytest.raises(InputError, match=r"expected NDJSON, one DocumentReference a line; jq -c '\.entry") as error:
        open_source(spark, str(tmp_path), Settings(input_format="fhir"))
    assert "Mrs X" not in str(error.value)
    (tmp_path / "b.ndjson").write_text('{"resourceType": "Patient", "id": "x"}')
    assert open_source(spark, str(tmp_path), Settings(input_format="fhir")).input_format == "fhir"


def test_a_folder_of_two_formats_or_a_column_of_a_wrong_type_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"doc_id": 1, "text": "x"}\n')
    (tmp_path / "b.csv").write_text("doc_id,text\n1,x\n")
    with pytest.raises(InputError, match="has files of csv and jsonl: name one"):
        open_source(spark, str(tmp_path), Settings())
    frame = spark.createDataFrame([("a", 1, ["b"])], "doc_id string, text int, list array<string>")
    frame.write.parquet(str(tmp_path / "p"))
    with pytest.raises(InputError, match=r"column 'text' \(--text-column\) is int: expected text"):
        open_source(spark, str(tmp_path / "p"), Settings())
    with pytest.raises(InputError, match=r"column 'list' \(--id-column\) is array<string>: expected one plain value"):
        open_source(spark, str(tmp_path / "p"), Settings(id_column="list"))


def test_columns_that_are_folders_are_read_as_text(spark: SparkSession, tmp_path: Path) -> None:
    values = [("a", "Fiebre", "04"), ("b", "Tos", "4A"), ("c", "Tos", "007")]
    frame = spark.createDataFrame(values, "doc_id string, text string, ward string")
    frame.write.partitionBy("ward").parquet(str(tmp_path / "in"))
    configure(spark, Settings())
    rows = read_rows(spark, str(tmp_path / "in"), Settings(keep=("ward",))).collect()
    assert {(row.doc_id, row.ward) for row in rows} == {("a", "04"), ("b", "4A"), ("c", "007")}


def test_spark_folds_a_language_code_as_python_does(spark: SparkSession) -> None:
    codes = ["ES", "es-ES", "es_MX", " spa ", "ita", "EN", "", "  ", None, "fr-CA", "x", "\u00a0es\r\n", "\u2003", "-"]
    codes += ["Fever since\nMonday-night", "es\n-x", "García", "dolor torácico", "7", "portuguese", "Lopez-Garcia"]
    frame = spark.createDataFrame([(code,) for code in codes], "code string").coalesce(1)
    found = [row.folded for row in frame.select(fold(F.col("code")).alias("folded")).collect()]
    assert found == [fold_language(code) for code in codes]
    assert found[-7:] == ["und"] * 7


def test_an_omop_note_table_names_its_own_columns(spark: SparkSession, tmp_path: Path) -> None:
    columns = "note_id long, note_text string, language_concept_id int"
    notes = [(1, "Toma aspirina.", 4182511), (2, "Takes aspirin.", 4180186), (3, "Prend…", 4180190), (4, "Toma…", 0)]
    spark.createDataFrame(notes, columns).write.parquet(str(tmp_path / "in"))
    rows = read_rows(spark, str(tmp_path / "in"), read_settings(None, {"preset": "omop-note"})).collect()
    assert {(row.doc_id, row.language) for row in rows} == {("1", "es"), ("2", "en"), ("3", "fr"), ("4", None)}


def test_columns_of_the_input_that_have_the_names_of_ours_are_not_taken_for_them(
    spark: SparkSession, tmp_path: Path
) -> None:
    columns = "doc_id string, text string, reason string, error_type string, _reason string, _source_file string"
    frame = spark.createDataFrame([("1", "Fever", "chest pain, Mrs X", "b", "c", "d")], columns)
    frame.createOrReplaceTempView("notes_with_reasons")
    frame.write.parquet(str(tmp_path / "in"))
    (tmp_path / "a.jsonl").write_text('{"doc_id": "1", "reason": "Fever", "error_type": "b"}\n')
    view = open_table(spark, "notes_with_reasons", Settings(table_chunks=2))
    (row,) = checked_rows(view).collect()
    assert (row.text, row.reason, row.error_type, row.source_file) == ("Fever", None, None, None)
    assert rows_of(spark, tmp_path / "in") == {"1": ("Fever", None, None)}
    assert rows_of(spark, tmp_path / "a.jsonl", text_column="reason") == {"1": ("Fever", None, None)}


def test_a_fhir_bulk_export_is_read_line_by_line(spark: SparkSession, tmp_path: Path) -> None:
    data = base64.b64encode(NOTES["es/01"].encode("latin-1", "ignore")).decode()
    attachment = {"contentType": "text/plain; charset=iso-8859-1", "data": data, "language": "es"}
    resource = {"resourceType": "DocumentReference", "id": "r1", "content": [{"attachment": attachment}]}
    (tmp_path / "a.ndjson").write_text(json.dumps(resource) + "\nbroken\n")
    rows = read_rows(spark, str(tmp_path), read_settings(None, {"preset": "fhir"})).collect()
    assert (rows[0].doc_id, rows[0].language, rows[0].reason) == ("r1", "es", None)
    assert rows[0].text == NOTES["es/01"].encode("latin-1", "ignore").decode("latin-1")
    assert rows[1].reason == "invalid_encoding"


def test_a_latin_1_file_among_good_ones_is_gated_and_an_empty_file_is_a_row(
    spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / "latin.txt").write_bytes("Estenosis aórtica".encode("latin-1"))
    (tmp_path / "nothing.txt").write_bytes(b"")
    (tmp_path / "good.txt").write_bytes("Estenosis aórtica".encode())
    reasons = {doc_id: reason for doc_id, (_, _, reason) in rows_of(spark, tmp_path).items()}
    assert reasons == {"latin": "invalid_encoding", "nothing": "empty_text", "good": None}


def test_a_missing_path_column_or_format_is_refused_with_the_remedy(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        read_rows(spark, str(tmp_path / "absent"), Settings())
    with pytest.raises(InputError, match="--input-format"):
        read_rows(spark, str(tmp_path), Settings())
    (tmp_path / "a.jsonl").write_text('{"id": 1, "text": "x"}\n')
    with pytest.raises(InputError, match=r"no column 'doc_id' \(--id-column\) among its 3: expected"):
        read_rows(spark, str(tmp_path), Settings())
    with pytest.raises(InputError, match="--keep ward"):
        read_rows(spark, str(tmp_path), Settings(id_column="id", keep=("ward",)))


def test_reading_twice_gives_the_same_frame(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Warfarin")
    frames = [read_rows(spark, str(tmp_path), Settings()) for _ in range(2)]
    assertDataFrameEqual(*frames)


def test_the_innermost_folder_named_by_a_language_says_it_at_any_depth_as_in_an_evaluation(
    spark: SparkSession, tmp_path: Path
) -> None:
    names = ("es/a.txt", "es/2024/b.TXT", "es/it/c.txt", "ward/d.txt", "es/ward/it/2024/e.txt")
    for name in names:
        (tmp_path / "notes" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "notes" / name).write_text("Fever")
    found = rows_of(spark, tmp_path / "notes")
    languages = {doc_id: language for doc_id, (_, language, _) in found.items()}
    assert languages == {"es/a": "es", "es/2024/b": "es", "es/it/c": "it", "ward/d": None, "es/ward/it/2024/e": "it"}
    inner = rows_of(spark, tmp_path / "notes/es")
    assert {doc_id: language for doc_id, (_, language, _) in inner.items()} == {
        "a": "es", "2024/b": "es", "it/c": "it", "ward/it/2024/e": "it",
    }  # fmt: skip
    (tmp_path / "it/notes").mkdir(parents=True)
    (tmp_path / "it/notes/f.txt").write_text("Fever")
    assert rows_of(spark, tmp_path / "it/notes") == {"f": ("Fever", None, None)}  # what is above the input says nothing


def test_a_csv_record_of_more_fields_than_the_header_is_not_cut_in_silence(spark: SparkSession, tmp_path: Path) -> None:
    lines = (
        "doc_id,text",
        "1,HTA, toma apixaban 5 mg",
        "5,HTA,,toma apixaban",
        '2,"HTA, toma apixaban"',
        "3,Tos,",
        "4,a,b,c,d,e",
    )
    (tmp_path / "a.csv").write_text("\n".join(lines))
    found = {
        row.doc_id: (row.reason, row.error_type, row.text)
        for row in read_rows(spark, str(tmp_path), Settings()).collect()
    }
    cut = ("failed", "TooManyFields", None)
    assert found == {"1": cut, "2": (None, None, "HTA, toma apixaban"), "3": (None, None, "Tos"), "4": cut, "5": cut}


def test_a_json_line_of_another_kind_of_line_end_alone_is_a_line(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"doc_id": 1, "text": "Tos"}\n\u0085\n \t\r\n\u2028\n', encoding="utf-8")
    frame = checked_rows(open_source(spark, str(tmp_path), Settings()))
    assert [row.error_type for row in frame.collect()] == [None, "MalformedJSON", "MalformedJSON"]


def test_columns_that_later_parquet_files_have_are_read_and_names_in_other_letters(
    spark: SparkSession, tmp_path: Path
) -> None:
    spark.createDataFrame([("a", "Fiebre")], "Doc_ID string, TEXT string").write.parquet(str(tmp_path / "in/1"))
    later = spark.createDataFrame(
        [("b", "Warfarin.", "en", "4B")], "Doc_ID string, TEXT string, LANGUAGE string, Ward string"
    )
    later.write.parquet(str(tmp_path / "in/2"))
    rows = read_rows(spark, str(tmp_path / "in"), Settings(keep=("ward",))).collect()
    assert {(row.doc_id, row.text, row.language, row.Ward) for row in rows} == {
        ("a", "Fiebre", None, None), ("b", "Warfarin.", "en", "4B"),
    }  # fmt: skip
    (tmp_path / "in/0.parquet").write_bytes(b"PAR1, and no more")  # its batch sets it aside
    assert open_source(spark, str(tmp_path / "in"), Settings(keep=("ward",))).schema.names == [
        "Doc_ID",
        "TEXT",
        "Ward",
        "LANGUAGE",
    ]


def test_files_beside_columns_that_are_folders_are_read_too(spark: SparkSession, tmp_path: Path) -> None:
    schema = "doc_id string, text string"
    spark.createDataFrame([("a", "Tos")], schema).coalesce(1).write.parquet(str(tmp_path / "in"))
    spark.createDataFrame([("b", "Tos")], schema).coalesce(1).write.parquet(str(tmp_path / "in/year=2023"))
    assert sorted(rows_of(spark, tmp_path / "in")) == ["a", "b"]


def test_columns_that_are_folders_may_be_of_unequal_depth(spark: SparkSession, tmp_path: Path) -> None:
    schema = "doc_id string, text string"
    spark.createDataFrame([("a", "Tos")], schema).write.parquet(str(tmp_path / "in/year=2023/ward=4 %2B+ñ%zz"))
    spark.createDataFrame([("b", "Tos")], schema).write.parquet(str(tmp_path / "in/year=2024"))
    spark.createDataFrame([("c", "Tos")], schema).write.parquet(str(tmp_path / "in/ward=__HIVE_DEFAULT_PARTITION__"))
    assert sorted(rows_of(spark, tmp_path / "in")) == ["a", "b", "c"]
    rows = read_rows(spark, str(tmp_path / "in"), Settings(keep=("year", "ward"))).collect()
    told = {row.doc_id: (row.year, row.ward) for row in rows}
    assert told == {"a": ("2023", "4 %2B+ñ%zz"), "b": ("2024", None), "c": (None, None)}
    spark.createDataFrame([("a", "Tos")], schema).write.parquet(str(tmp_path / "escaped/ward=4%3A %2B+ñ"))
    (row,) = read_rows(spark, str(tmp_path / "escaped"), Settings(keep=("ward",))).collect()
    assert row.ward == "4: ++ñ"


def test_a_stores_root_is_a_folder_like_others(spark: SparkSession, tmp_path: Path) -> None:
    conf = spark.sparkContext._jsc.hadoopConfiguration()
    for folder, name in (("es", "1a"), ("es", "2a"), ("out", "c")):
        conf.set(f"fs.viewfs.mounttable.bucket.link./{folder}", f"file://{tmp_path}/{folder}")
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{name}.txt").write_text("Tos")
    for path in ("viewfs://bucket/", "viewfs://bucket"):
        source = open_source(spark, path, Settings())
        assert source.name == "viewfs://bucket"
        assert sorted((row.doc_id, row.language) for row in checked_rows(source).collect()) == [
            ("es/1a", "es"), ("es/2a", "es"), ("out/c", None),
        ]  # fmt: skip
    with pytest.raises(InputError, match="viewfs://bucket/out: lies inside the input viewfs://bucket"):
        annotate(spark, "viewfs://bucket/", "viewfs://bucket/out", Settings())


def test_numbers_of_another_width_are_read_in_the_wider(spark: SparkSession, tmp_path: Path) -> None:
    types = (("smallint", "float"), ("bigint", "double"), ("int", "float"))
    for number, (integer, floating) in enumerate(types):
        frame = spark.sql(f"SELECT CAST({number} AS {integer}) AS doc_id, 'Tos' AS text, CAST(0.5 AS {floating}) AS x")
        frame.withColumn("y", F.col("doc_id")).write.parquet(str(tmp_path / f"in/{number}"))
    source = open_source(spark, str(tmp_path / "in"), Settings(keep=("x", "y")))
    assert {field.name: field.dataType.simpleString() for field in source.schema.fields} == {
        "doc_id": "bigint", "text": "string", "x": "double", "y": "bigint",
    }  # fmt: skip
    assert sorted((row.doc_id, row.x, row.y) for row in checked_rows(source).collect()) == [
        ("0", 0.5, 0), ("1", 0.5, 1), ("2", 0.5, 2),
    ]  # fmt: skip
    narrow = open_source(spark, str(tmp_path / "in/0"), Settings(keep=("y",)))
    assert narrow.schema["y"].dataType.simpleString() == "smallint"  # as other runs have kept it
    ids = open_source(spark, str(tmp_path / "in/0"), Settings())
    (tmp_path / "in/1").rename(tmp_path / "in/0/later")
    assert sorted(row.doc_id for row in checked_rows(ids).collect()) == ["0", "1"]


def test_bytes_in_a_column_are_decoded_as_files_are(spark: SparkSession, tmp_path: Path) -> None:
    text = "Estenosis aórtica"
    values = [(text.encode("latin-1"), text.encode("latin-1")), (b"b", b"Tos")]
    spark.createDataFrame(values, "doc_id binary, text binary").write.parquet(str(tmp_path / "in"))
    assert {reason for _, _, reason in rows_of(spark, tmp_path / "in").values()} == {None, "invalid_encoding"}
    settings = Settings(encoding="ISO-8859-1")
    configure(spark, settings)
    rows = read_rows(spark, str(tmp_path / "in"), settings).collect()
    configure(spark, Settings())
    assert {(row.doc_id, row.text, row.reason) for row in rows} == {(text, text, None), ("b", "Tos", None)}


def test_a_key_that_is_rare_may_be_kept(spark: SparkSession, tmp_path: Path) -> None:
    lines = ['{"doc_id": 1, "text": "Tos"}'] * 1200 + ['{"doc_id": 2, "text": "Tos", "ward": "4B"}']
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    (tmp_path / "b.jsonl").write_text('{"doc_id": 3, "text": "Tos", "unit": "ICU"}\n')
    (tmp_path / "cut.jsonl.gz").write_bytes(b"\x1f\x8b no gzip")
    source = open_source(spark, str(tmp_path), Settings(keep=("ward", "unit")))
    rows = source.rows([file for file in source.listing() if not file.path.endswith(".gz")])
    assert sorted({(row.ward, row.unit) for row in rows.collect()}, key=str) == [
        ("4B", None), (None, "ICU"), (None, None),
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"no column 'bed' \(--keep bed\) among its 5"):
        open_source(spark, str(tmp_path), Settings(keep=("bed",)))


@pytest.mark.parametrize("name", ["_notes.jsonl", ".notes.jsonl"])
def test_a_file_that_spark_would_pass_over_is_refused(spark: SparkSession, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"doc_id": 1, "text": "Tos"}\n')
    with pytest.raises(InputError, match=r"Spark passes over names that begin with _ or \.: *|rename the file"):
        open_source(spark, str(tmp_path / name), Settings())


@pytest.mark.parametrize(
    ("option", "settings"),
    [
        ("--id-column note_id", {"id_column": "note_id"}),
        ("--language-column lang", {"language_column": "lang"}),
        ("--keep ward", {"keep": ("ward",)}),
    ],
)
def test_columns_cannot_be_named_of_files_that_have_none(
    spark: SparkSession, tmp_path: Path, option: str, settings: dict[str, Any]
) -> None:
    (tmp_path / "es").mkdir()
    (tmp_path / "es/a.txt").write_text("Tos")
    with pytest.raises(InputError, match=f"{option}: text files have no columns to name: leave it out"):
        open_source(spark, str(tmp_path), Settings(**settings))
    without = read_rows(spark, str(tmp_path), Settings(language_column=None)).collect()
    assert [(row.doc_id, row.language) for row in without] == [("es/a", None)]  # to be detected


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("compressed", [False, True])
def test_line_ends_and_nul_in_a_text_of_csv_stay_whichever_the_records_end_with(
    spark: SparkSession, tmp_path: Path, line_end: str, compressed: bool
) -> None:
    texts = {
        "a": 'Toma "apixaban".\r\n\r\nControl.\r\n',
        "b": "Tos\ny\rfiebre",
        "c": "Dolor, HTA",
        "e": 'A\x00b\x00\x00"c"\x00',
    }
    with io.StringIO(newline="") as file:
        rows = csv.writer(file, lineterminator=line_end, quoting=csv.QUOTE_ALL)
        rows.writerows([("doc_id", "text", "ward"), *((*row, "\r\n") for row in texts.items())])
        content = file.getvalue().encode()
    (tmp_path / "a.csv.gz" if compressed else tmp_path / "a.csv").write_bytes(
        gzip.compress(content) if compressed else content
    )
    (tmp_path / "other.csv").write_bytes(b'doc_id,text,ward\nd,"Tos\r\n",\n')
    source = open_source(spark, str(tmp_path), Settings(keep=("ward",)))
    files = list(source.listing())
    assert sorted(source.counts(files).values(), key=str) == [1, 4]
    read = {row.doc_id: (row.text, row.ward) for row in source.rows(files).collect()}
    assert read == {doc_id: (text, "\r\n") for doc_id, text in texts.items()} | {"d": ("Tos\r\n", None)}


def test_csv_files_whose_quotes_hold_lines_of_other_records_are_quarantined(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Both readers would take them for one text, so the account would agree."""
    broken = {
        "cut": '1,a\n2,"Fiebre\n3,Tos\n4,Tos\n',
        "merged": '1,"Fiebre\n2,"Tos"\n3,Tos\n',
    }
    whole = {
        "last": '1,"Fiebre',  # nothing follows that it could hold
        "one line": '1,dice "ay" y calla\n2,"ay" dice\n',
        "doubled": '1,"""Ay"" dice\ny calla"\n\n2,"a\r\nb"\n',
    }
    for name, text in (broken | whole).items():
        (tmp_path / f"{name}.csv").write_bytes(f"doc_id,text\n{text}".encode())
    source = open_source(spark, str(tmp_path), Settings())
    counts = {path.rsplit("/", 1)[1][:-4]: n for path, n in source.counts(list(source.listing())).items()}
    assert counts == dict.fromkeys(broken, "BrokenQuote") | {"last": 1, "one line": 2, "doubled": 2}
    files = [file for file in source.listing() if file.path.endswith("doubled.csv")]
    assert {row.text for row in source.rows(files).collect()} == {'"Ay" dice\ny calla', "a\r\nb"}


@pytest.mark.parametrize(
    ("log", "kind"),
    [("_delta_log/0.json", "Delta"), (".hoodie/hoodie.properties", "Hudi"), ("metadata/v1.metadata.json", "Iceberg")],
)
def test_the_folder_of_a_lakes_table_is_refused(spark: SparkSession, tmp_path: Path, log: str, kind: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"doc_id": "a", "text": "Tos"}\n', encoding="utf-8")
    (tmp_path / log).parent.mkdir()
    (tmp_path / log).write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=f"a table of {kind}, with files of its past: expected --table"):
        open_source(spark, str(tmp_path), Settings())


def test_the_nanoseconds_that_pandas_writes_are_no_obstacle(spark: SparkSession, tmp_path: Path) -> None:
    frame = pd.DataFrame({"doc_id": ["a"], "text": ["Tos"], "seen": pd.to_datetime(["2024-01-01"])})
    frame.to_parquet(tmp_path / "a.parquet")
    configure(spark, Settings())
    assert rows_of(spark, tmp_path) == {"a": ("Tos", None, None)}


@pytest.mark.parametrize("nobody_has_it", ["a", "b"])
def test_a_column_of_nulls_alone_has_the_type_of_other_files(
    spark: SparkSession, tmp_path: Path, nobody_has_it: str
) -> None:
    """pandas writes such a column without a type, and Spark takes it for one of integers."""
    for name in ("a", "b"):
        its = (None, None) if name == nobody_has_it else ("es", pd.Timestamp("2024-01-02"))
        frame = pd.DataFrame([(name, "Tos", *its)], columns=["doc_id", "text", "language", "seen"])
        frame.to_parquet(tmp_path / f"{name}.parquet", coerce_timestamps="us")
    settings = Settings(keep=("seen",))
    configure(spark, settings)
    found = read_rows(spark, str(tmp_path), settings)
    rows = {row.doc_id: (row.language, row.seen and row.seen.year) for row in found.collect()}
    assert rows.pop(nobody_has_it) == (None, None)
    assert list(rows.values()) == [("es", 2024)]


def test_a_column_that_has_no_type_in_any_file_is_text(spark: SparkSession, tmp_path: Path) -> None:
    frame = pd.DataFrame({"doc_id": ["a"], "text": ["Tos"], "language": [None], "ward": [None]})
    frame.to_parquet(tmp_path / "a.parquet")
    settings = Settings(keep=("ward",))
    configure(spark, settings)
    source = open_source(spark, str(tmp_path), settings)
    assert {field.dataType.simpleString() for field in source.schema.fields} == {"string"}
    assert [(row.doc_id, row.language, row.ward) for row in checked_rows(source).collect()] == [("a", None, None)]


def test_what_java_would_pass_over_in_a_locale_without_its_letters_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in/año").mkdir(parents=True)
    (tmp_path / "in/a.txt").write_text("Tos")
    (tmp_path / "in/año/b.txt").write_text("Tos")
    without = {name: value for name, value in environment().items() if name not in ("LANG", "LC_CTYPE")}
    result = subprocess.run(
        command("--input", "in", "--output", "out"), env=without | {"LC_ALL": "POSIX"}, cwd=tmp_path,
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    shown = result.stdout + result.stderr
    assert result.returncode == 2, shown[-2000:]
    assert "would be passed over; expected a locale of UTF-8" in shown
    assert not (tmp_path / "out").exists()
    shutil.rmtree(tmp_path / "in/año")
    result = subprocess.run(
        command("--input", "in", "--output", "años"), env=without | {"LC_ALL": "POSIX"}, cwd=tmp_path,
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert result.returncode == 2
    assert "another folder would be written; expected a locale of UTF-8" in result.stdout + result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_column_whose_name_loses_letters_in_a_locale_without_them_is_refused(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What spark-submit makes of --language-column código there: the column would be absent, which is no error."""
    (tmp_path / "a.csv").write_text("doc_id,text,código\n1,Tos,it\n", encoding="utf-8")
    settings = Settings(language_column="c??digo")
    monkeypatch.setattr(pipeline, "lacks_letters", lambda _: "ANSI_X3.4-1968")
    with pytest.raises(ConfigError, match=r"^c\?\?digo: a name that has lost letters .*: set LC_ALL=C\.UTF-8"):
        annotate(spark, str(tmp_path), str(tmp_path / "out"), settings)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def tables(spark: SparkSession) -> Iterator[str]:
    """A database of the catalog, for tables that are the input."""
    spark.sql("CREATE DATABASE clinic")
    yield "clinic"
    spark.sql("DROP DATABASE clinic CASCADE")


def test_a_folder_with_a_link_back_to_itself_is_refused_and_other_links_are_followed(
    spark: SparkSession, tmp_path: Path
) -> None:
    notes, elsewhere = tmp_path / "notes", tmp_path / "elsewhere"
    for folder in (notes / "es", elsewhere):
        folder.mkdir(parents=True)
        (folder / "a.txt").write_text("Toma enalapril.", encoding="utf-8")
    (notes / "more").symlink_to(elsewhere)
    assert sorted(rows_of(spark, notes)) == ["es/a", "more/a"]
    (notes / "es" / "again").symlink_to("..")
    with pytest.raises(InputError, match=r"the link .*/notes/es/again leads to a folder that it lies in"):
        open_source(spark, str(notes), Settings())


def test_a_partition_that_lies_elsewhere_is_read_and_partitions_keep_their_type(
    spark: SparkSession, tmp_path: Path, tables: str
) -> None:
    name, elsewhere = f"{tables}.notes", tmp_path / "else where"
    spark.sql(f"CREATE TABLE {name} (doc_id string, text string, ward string) USING parquet PARTITIONED BY (ward)")
    spark.sql(f"INSERT INTO {name} VALUES ('a', 'Tos', '04')")
    settings = Settings(keep=("ward",))
    configure(spark, settings)
    source = open_table(spark, name, settings)
    assert isinstance(source, FileSource)
    rows = source.rows(list(source.listing())).collect()
    assert [(row.doc_id, row.text, row.ward) for row in rows] == [("a", "Tos", "04")]
    spark.sql(f"ALTER TABLE {name} ADD PARTITION (ward='9B') LOCATION '{elsewhere}'")
    spark.sql(f"INSERT INTO {name} VALUES ('b', 'Fiebre', '9B')")
    source = open_table(spark, name, settings)
    rows = source.rows(list(source.listing())).collect()
    assert sorted((row.doc_id, row.ward) for row in rows) == [("a", "04"), ("b", "9B")]


@pytest.mark.parametrize("its_type", ["double", "float"])
def test_identifiers_that_pandas_made_floating_numbers_are_integers_again(
    spark: SparkSession, tmp_path: Path, its_type: str
) -> None:
    """As it does with a column of integers of which one is null."""
    numbers = [12345680.0, -7.0, 0.0, 2.5, 1e20, float("nan"), None]
    rows = spark.createDataFrame([(number, "Fiebre") for number in numbers], f"doc_id {its_type}, text string")
    rows.coalesce(1).write.parquet(str(tmp_path / "in"))
    gated = read_rows(spark, str(tmp_path / "in"), Settings()).collect()
    ids = [(row.doc_id, row.reason) for row in gated]
    assert ids[:4] == [("12345680", None), ("-7", None), ("0", None), ("2.5", None)]
    assert float(ids[4][0]) == pytest.approx(1e20)
    assert ids[5:] == [(None, "null_id")] * 2


def test_identifiers_that_are_floating_numbers_in_json_are_integers_again(spark: SparkSession, tmp_path: Path) -> None:
    """As pandas writes them; a string stays as it is."""
    told = [
        "12345678.0",
        "-7.0",
        "0.0",
        "2.5",
        "1e5",
        "12345678901234567890",
        '"7.0"',
        '"1.5E7"',
        "[7.0]",
        "NaN",
        "null",
    ]
    lines = [f'{{"note.id": {value}, "text": "Tos {place}"}}\n' for place, value in enumerate(told)]
    (tmp_path / "a.jsonl").write_text("".join(lines), encoding="utf-8")
    gated = read_rows(spark, str(tmp_path), Settings(id_column="note.id")).orderBy("text").collect()
    ids = {told[int(row.text[4:])]: row.doc_id for row in gated if row.text}
    assert ids == {
        "12345678.0": "12345678", "-7.0": "-7", "0.0": "0", "2.5": "2.5", "1e5": "100000",
        "12345678901234567890": "12345678901234567890", '"7.0"': "7.0", '"1.5E7"': "1.5E7", "[7.0]": "[7.0]",
        "NaN": '"NaN"',
    }  # fmt: skip


def test_identifiers_that_are_decimals_of_whole_numbers_are_integers(spark: SparkSession, tmp_path: Path) -> None:
    """As JDBC reads Oracle's NUMBER."""
    numbers = ["123.0000000000", "-7", "0", "100", "2.5", "9999999999999999999999999999", None]
    rows = spark.createDataFrame([(number, "Fiebre") for number in numbers], "doc_id string, text string")
    rows.selectExpr("CAST(doc_id AS DECIMAL(38, 10))", "text").coalesce(1).write.parquet(str(tmp_path / "in"))
    ids = [row.doc_id for row in read_rows(spark, str(tmp_path / "in"), Settings()).collect()]
    assert ids == ["123", "-7", "0", "100", "2.5000000000", "9999999999999999999999999999", None]


@pytest.mark.parametrize("folder", ["WARD=04", "ward=04 mended", "of_four"])
def test_a_partition_in_a_folder_of_another_name_has_the_value_that_the_catalog_says(
    spark: SparkSession, tmp_path: Path, tables: str, folder: str
) -> None:
    name, root = f"{tables}.notes", tmp_path / "notes"
    spark.sql(
        f"CREATE TABLE {name} (doc_id string, text string, Ward string) USING parquet PARTITIONED BY (Ward) "
        f"LOCATION '{root}'"
    )
    spark.sql(f"INSERT INTO {name} VALUES ('a', 'Tos', '4:B')")
    settings = Settings(keep=("ward",))
    configure(spark, settings)
    assert isinstance(open_table(spark, name, settings), FileSource)
    spark.sql(f"ALTER TABLE {name} ADD PARTITION (ward='04') LOCATION '{root}/{folder}'")
    spark.sql(f"INSERT INTO {name} VALUES ('b', 'Fiebre', '04')")
    source = open_table(spark, name, settings)
    rows = source.rows(list(source.listing())).collect()
    assert sorted((row.doc_id, row.Ward) for row in rows) == [("a", "4:B"), ("b", "04")]


def test_a_partition_that_was_dropped_is_not_read_though_its_files_stay(
    spark: SparkSession, tmp_path: Path, tables: str
) -> None:
    name, folder = f"{tables}.consented", tmp_path / "consented"
    spark.sql(
        f"CREATE TABLE {name} (doc_id string, text string, consent string) USING parquet PARTITIONED BY (consent) "
        f"LOCATION '{folder}'"
    )
    spark.sql(f"INSERT INTO {name} VALUES ('a', 'Tos', 'given'), ('b', 'Fiebre', 'withdrawn')")
    assert isinstance(open_table(spark, name, Settings()), FileSource)
    spark.sql(f"ALTER TABLE {name} DROP PARTITION (consent='withdrawn')")
    assert len(list(folder.rglob("*.parquet"))) == 2
    source = open_table(spark, name, Settings())
    assert [row.doc_id for row in source.rows(list(source.listing())).collect()] == ["a"]


def test_old_files_below_a_tables_folder_are_not_the_tables(spark: SparkSession, tmp_path: Path, tables: str) -> None:
    name, folder = f"{tables}.plain", tmp_path / "plain"
    spark.sql(f"CREATE TABLE {name} (doc_id string, text string) USING parquet LOCATION '{folder}'")
    spark.sql(f"INSERT INTO {name} VALUES ('a', 'Tos')")
    assert isinstance(open_table(spark, name, Settings()), FileSource)
    spark.createDataFrame([("old", "Fiebre")], "doc_id string, text string").write.parquet(str(folder / "backup"))
    source = open_table(spark, name, Settings())
    assert [row.doc_id for row in source.rows(list(source.listing())).collect()] == ["a"]


def test_a_column_that_a_table_got_later_is_read(spark: SparkSession, tables: str) -> None:
    name = f"{tables}.notes"
    spark.sql(f"CREATE TABLE {name} (doc_id string, text string) USING parquet")
    spark.sql(f"INSERT INTO {name} VALUES ('a', 'Tos')")
    spark.sql(f"ALTER TABLE {name} ADD COLUMNS (language string, ward string)")
    source = open_table(spark, name, Settings(keep=("ward",)))
    assert isinstance(source, FileSource)
    assert [row.doc_id for row in source.rows(list(source.listing())).collect()] == ["a"]
    spark.sql(f"INSERT INTO {name} VALUES ('b', 'Warfarin.', 'en', '4B')")
    rows = source.rows(list(source.listing())).collect()
    assert sorted((row.doc_id, row.language, row.ward) for row in rows if row.ward) == [("b", "en", "4B")]


@pytest.mark.parametrize("its", ["make_interval(1)", "struct()", "array(map('a', named_struct('b', struct())))"])
def test_a_kept_column_that_parquet_has_no_type_for_is_refused(spark: SparkSession, tables: str, its: str) -> None:
    spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW {tables}_odd AS SELECT 'a' AS doc_id, 'Tos' AS text, {its} AS stay")
    with pytest.raises(
        InputError, match=r"column 'stay' \(--keep stay\) is .*, for which Parquet has no type: expected"
    ):
        open_table(spark, f"{tables}_odd", Settings(keep=("stay",)))


def test_a_csv_table_whose_reader_logs_records_is_refused(spark: SparkSession, tmp_path: Path, tables: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").write_text("doc_id,text\n1,Tos\n")
    spark.sql(f"CREATE TABLE {tables}.notes USING csv OPTIONS (header true) LOCATION '{tmp_path}/in'")
    with pytest.raises(
        InputError, match=rf"{tables}.notes: a CSV table, .*expected --input, its folder file:{tmp_path}/in"
    ):
        open_table(spark, f"{tables}.notes", Settings())


def test_a_folder_that_has_gone_since_is_named(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl").write_text('{"doc_id": "a", "text": "Tos"}\n', encoding="utf-8")
    source = open_source(spark, str(tmp_path / "in"), Settings())
    assert len(list(source.listing())) == 1
    (tmp_path / "in").rename(tmp_path / "moved")
    with pytest.raises(
        InputError, match=r"in: cannot be listed \(FileNotFoundException\): expected the folder to stay"
    ):
        list(source.listing())
