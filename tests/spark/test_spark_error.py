"""What errors of Spark's are called: by what began them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession

from cardio_ner.spark.spark_error import name_of


def name_of_the_error(frame: DataFrame) -> str:
    with pytest.raises(Py4JJavaError) as caught:
        frame.write.format("noop").mode("overwrite").save()
    return name_of(caught.value)


def test_a_file_that_is_cut_short_is_called_so(spark: SparkSession, tmp_path: Any) -> None:
    import gzip

    whole = gzip.compress(b'{"text": "a"}\n' * 10_000)
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    assert name_of_the_error(spark.read.schema("text string").json(str(tmp_path))) == "EOFException"


def test_a_worker_that_is_killed_is_no_end_of_a_file(spark: SparkSession) -> None:
    def die(_: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        os._exit(1)

    assert name_of_the_error(spark.range(1).mapInPandas(die, "id long")) == "WorkerDied"


def test_causes_that_go_round_in_circles_end(spark: SparkSession) -> None:
    java = spark.sparkContext._jvm.java.lang
    first = java.Exception("a")
    second = java.RuntimeException("b", first)
    first.initCause(second)
    error = Py4JJavaError("", first)
    assert name_of(error) in {"Exception", "RuntimeException"}
