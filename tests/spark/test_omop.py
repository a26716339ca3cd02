"""The language of an OMOP note, from its concept."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from cardio_ner.spark.omop import omop_language


def languages_of(spark: SparkSession, concepts: list[str | None], column_type: str) -> list[str | None]:
    frame = spark.createDataFrame([(concept,) for concept in concepts], "concept string").coalesce(1)
    return [row[0] for row in frame.select(omop_language(F.col("concept").cast(column_type))).collect()]


@pytest.mark.parametrize("column_type", ["int", "bigint", "string", "decimal(20,0)"])
def test_a_known_concept_is_its_code_and_any_other_is_left_to_detection(spark: SparkSession, column_type: str) -> None:
    codes = {"4182511": "es", "4180186": "en", "4182507": "it", "4180190": "fr"}
    unknown = ["0", "2000000123", "-1", None]
    assert languages_of(spark, [*codes, *unknown], column_type) == [*codes.values(), *[None] * 4]


def test_what_is_no_concept_is_left_to_detection_and_raises_nothing(spark: SparkSession) -> None:
    assert languages_of(spark, ["", "es", "9" * 30, "Spanish", " 4182511 "], "string") == [None] * 4 + ["es"]
    assert languages_of(spark, [str(2**40)], "bigint") == [None]
