"""The ledger decides what is left, and what a killed run left behind is swept."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from cardio_ner.spark.hadoop import File
from cardio_ner.spark.ledger import Ledger, in_batches, sweep


def test_a_file_is_left_unless_it_is_done_at_its_size_and_time() -> None:
    done = File("a", 5, 100)
    ledger = Ledger()
    ledger.add([done])
    larger, newer, other = File("a", 6, 100), File("a", 5, 101), File("b", 5, 90)
    assert ledger.left([done]) == []
    assert ledger.left([newer, larger, other]) == [other, larger, newer]


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 100))
def test_batches_keep_every_file_in_order_and_their_limit(sizes: list[int], limit: int) -> None:
    files = [File(str(i), size, i) for i, size in enumerate(sizes)]
    batches = list(in_batches(files, limit))
    assert [file for batch in batches for file in batch] == files
    assert all(sum(file.n_bytes for file in batch) <= limit or len(batch) == 1 for batch in batches)


def test_partitions_of_batches_without_documents_are_swept(spark: SparkSession, tmp_path: Path) -> None:
    kept = ["documents/batch_id=b1-0", "inputs/batch_id=b1-0", "spans/language=es/entity_type=DISEASE/batch_id=b1-0"]
    orphans = ["inputs/batch_id=b1-1", "spans/language=es/entity_type=DISEASE/batch_id=b1-1", "_staging/b1-1/rows"]
    for folder in kept + orphans:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "part-0.parquet").touch()
    kept += ["inputs/ward1", "spans/mine/of/2023", "documents/2023"]  # somebody's own
    for folder in kept[3:]:
        (tmp_path / folder).mkdir(parents=True)
    sweep(spark, str(tmp_path))
    assert all((tmp_path / folder).exists() for folder in kept)
    assert not any((tmp_path / folder).exists() for folder in orphans)
