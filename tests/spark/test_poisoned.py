"""Poisoned records in every format: each is one row, with the reason that it must have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from cardio_ner.spark.pipeline import annotate
from cardio_ner.spark.settings import Settings
from cardio_ner.spark.tables import read_documents
from poisoned_records import Poisoned, write_csv, write_json_lines, write_parquet, write_texts


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.jsonl", write_json_lines), ("a.parquet", write_parquet), ("a.csv", write_csv), ("texts", write_texts)],
)
def test_every_poisoned_record_is_one_row_with_its_reason(
    name: str, write: Callable[[Path], list[Poisoned]], spark: SparkSession, two_group_checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    written = write(tmp_path / "in" if name == "texts" else tmp_path / "in" / name)
    settings = Settings(checkpoints={"es": str(two_group_checkpoint)})
    annotate(spark, str(tmp_path / "in"), str(tmp_path / "out"), settings)
    rows = read_documents(spark, str(tmp_path / "out")).collect()
    found = Counter((row.doc_id.removeprefix("es/"), row.reason or row.status) for row in rows)
    expected = Counter((record.doc_id, record.outcome) for record in written)
    if name == "texts":  # each text is a file, so none is there twice
        expected = Counter({(i, "annotated" if i == "twice" else outcome): n for (i, outcome), n in expected.items()})
    assert found == expected
