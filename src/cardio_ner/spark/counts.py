"""How many rows each input file has, told by a reader that is not the job's: the other half of the account.

Contract: `count_rows` gives for every file its number of rows, or the error's name where it cannot be read. Parquet is
counted in its footers, CSV by Python's csv module, JSON lines and FHIR by lines that are not blank, texts one a file.
Compressed lines are Spark's to open, for the job and for counting alike.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from cardio_ner.spark.csv_files import Header, count_csv
from cardio_ner.spark.footers import read_footers
from cardio_ner.spark.formats import FILE, origin
from cardio_ner.spark.hadoop import File, literal

Counts = dict[str, int | str]


def count_rows(spark: SparkSession, files: Sequence[File], input_format: str, header: Header = ()) -> Counts:
    """Rows by path, or the simple name of the exception that reading raised. Empty files have none (as text, one).
    `header` is what CSV files must have. Lines that cannot be read to their end raise Spark's error: find_unreadable
    looks for them."""
    if input_format in ("text", "brat"):
        return {file.path: 1 for file in files}
    if input_format == "parquet":
        footers = read_footers(spark, files)
        told = (footer if isinstance(footer, str) else footer.n_rows for footer in footers)
        return dict(zip((file.path for file in files), told, strict=True))
    counts: Counts = {file.path: 0 for file in files}
    full = [file for file in files if file.n_bytes]
    if not full:
        return counts
    return counts | (count_csv(spark, full, header) if input_format == "csv" else _line_counts(spark, full))


def _line_counts(spark: SparkSession, files: Sequence[File]) -> Counts:
    lines = spark.read.option("recursiveFileLookup", True).option("lineSep", "\n")
    frame = lines.text([literal(file.path) for file in files]).select(
        origin()[0], F.btrim("value", F.lit(" \t\r")) != ""
    )
    counted = frame.toDF(FILE, "told").groupBy(FILE).agg(F.count_if("told").alias("n_rows"))
    return {row[FILE]: row["n_rows"] for row in counted.collect()}
