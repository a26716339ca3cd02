"""How many rows each input file has, told by a reader that is not the job's: the other half of the account.

Contract: `count_rows` gives for every file its number of rows, or the error's name where it cannot be read. Parquet is
counted in its footers, CSV by Python's csv module, JSON lines and FHIR by lines that are not blank, texts one a file.
Compressed lines are Spark's to open, for the job and for counting alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from cardio_ner.spark.csv_files import Header, count_csv
from cardio_ner.spark.formats import FILE, origin
from cardio_ner.spark.hadoop import File, hadoop_path_of, literal

FOOTERS_AT_ONCE = 8

Counts = dict[str, int | str]


def count_rows(spark: SparkSession, files: Sequence[File], input_format: str, header: Header = ()) -> Counts:
    """Rows by path, or the simple name of the exception that reading raised. Empty files have none (as text, one).
    `header` is what CSV files must have. Lines that cannot be read to their end raise Spark's error: find_unreadable
    looks for them."""
    if input_format in ("text", "brat"):
        return {file.path: 1 for file in files}
    if input_format == "parquet":
        with ThreadPoolExecutor(FOOTERS_AT_ONCE) as threads:
            footers = threads.map(lambda file: _footer_rows(spark, file.path), files)
            return dict(zip((file.path for file in files), footers, strict=True))
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


def _footer_rows(spark: SparkSession, path: str) -> int | str:
    jvm: Any = spark.sparkContext._jvm
    hadoop_path, _ = hadoop_path_of(spark, path)
    configuration = spark.sparkContext._jsc.hadoopConfiguration()
    try:
        file = jvm.org.apache.parquet.hadoop.util.HadoopInputFile.fromPath(hadoop_path, configuration)
        reader = jvm.org.apache.parquet.hadoop.ParquetFileReader.open(file)
        try:
            return int(reader.getRecordCount())
        finally:
            reader.close()
    except Py4JJavaError as error:
        return str(error.java_exception.getClass().getSimpleName())
