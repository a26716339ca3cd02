"""Every format leads to the same rows, and what must not reach Python is gated with its reason."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.testing import assertDataFrameEqual

from cardio_ner.errors import InputError
from cardio_ner.spark.settings import Settings
from cardio_ner.spark.source import open_source

NOTES = {
    "es/01": "Estenosis aórtica.\r\nTratamiento: bisoprolol 2,5\u00a0mg 💊\r\n",
    "en/02, with comma": 'He said "no fever".\nWarfarin 3 mg\n',
    "it/ñ + 03": "Fibrillazione atriale, perche\u0301 assume apixaban",
}


def read_rows(spark: SparkSession, path: str, settings: Settings) -> DataFrame:
    """The gated rows of all files there are; what was counted in them is checked on the way."""
    source = open_source(spark, path, settings)
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
    with pytest.raises(InputError, match="no column 'doc_id' \\(--id-column\\): it has id, text"):
        read_rows(spark, str(tmp_path), Settings())
    with pytest.raises(InputError, match="--keep ward"):
        read_rows(spark, str(tmp_path), Settings(id_column="id", keep=("ward",)))


def test_reading_twice_gives_the_same_frame(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Warfarin")
    frames = [read_rows(spark, str(tmp_path), Settings()) for _ in range(2)]
    assertDataFrameEqual(*frames)
