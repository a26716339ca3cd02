"""The live line: counts that move with the workers' and never run past the batch."""

from __future__ import annotations

import io

from pyspark.sql import SparkSession
from rich.console import Console

from cardio_ner.spark.progress import Meter


def test_the_line_says_documents_speed_share_and_time_left(spark: SparkSession) -> None:
    meter = Meter(spark, 1000, Console(file=io.StringIO()))
    assert meter.line().startswith("0 documents, 0.0 documents/s, 0% done")
    meter.begin(100, 500)
    meter.counted.documents.add(50)
    assert meter.line().startswith("50 documents, ")
    assert "25% done, " in meter.line()
    assert meter.line().endswith(" left")
    meter.counted.documents.add(80)  # a task that Spark tried twice
    assert meter.line().startswith("100 documents, ")
    meter.commit()
    meter.begin(100, 500)
    assert "50% done" in meter.line()


def test_it_is_quiet_where_nobody_watches(spark: SparkSession) -> None:
    stream = io.StringIO()
    with Meter(spark, 10, Console(file=stream)) as meter:
        meter.begin(1, 10)
        meter.commit()
    assert stream.getvalue() == ""
