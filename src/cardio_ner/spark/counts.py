"""How many rows each input file has, told by a reader that is not the job's: the other half of the account.

Contract: `count_rows` gives for every file its number of rows, or the error's name where it cannot be read. Parquet is
counted in its footers, CSV by Python's csv module (files above PYTHON_CSV_BYTES by a second pass of Spark's), JSON
lines and FHIR by lines that are not blank, texts one a file.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from cardio_ner.spark.formats import FILE, origin, read_csv
from cardio_ner.spark.hadoop import File, hadoop_path_of, literal

FOOTERS_AT_ONCE = 8
PYTHON_CSV_BYTES = 256 * 1024**2
_DECOMPRESS = {".gz": gzip.decompress, ".bz2": bz2.decompress}

Counts = dict[str, int | str]


def count_rows(spark: SparkSession, files: Sequence[File], input_format: str) -> Counts:
    """Rows by path, or the simple name of the exception that reading raised. Empty files have none (as text, one).
    Lines that cannot be read to their end raise Spark's error: see `isolate_unreadable`."""
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
    if input_format != "csv":
        return counts | _line_counts(spark, full)
    small = [file for file in full if file.n_bytes <= PYTHON_CSV_BYTES]
    large = [file for file in full if file.n_bytes > PYTHON_CSV_BYTES]
    counts |= _csv_counts(spark, small) if small else {}
    if large:
        counted = read_csv(spark, large, None).groupBy(FILE).count().collect()
        counts |= {row[FILE]: row["count"] for row in counted}
    return counts


def _line_counts(spark: SparkSession, files: Sequence[File]) -> Counts:
    lines = spark.read.option("recursiveFileLookup", True).option("lineSep", "\n")
    frame = lines.text([literal(file.path) for file in files]).select(
        origin()[0], F.btrim("value", F.lit(" \t\r")) != ""
    )
    counted = frame.toDF(FILE, "told").groupBy(FILE).agg(F.count_if("told").alias("n_rows"))
    return {row[FILE]: row["n_rows"] for row in counted.collect()}


def _csv_counts(spark: SparkSession, files: Sequence[File]) -> Counts:
    contents = spark.read.format("binaryFile").option("recursiveFileLookup", True)
    frame = contents.load([literal(file.path) for file in files]).select("path", "content")
    rows = frame.mapInPandas(_count_csv, "path string, n_rows long, error_type string").collect()
    return {row["path"]: row["n_rows"] if row["error_type"] is None else row["error_type"] for row in rows}


def _count_csv(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """(path, content) → (path, n_rows, error_type): records below the header, blank lines not counted."""
    csv.field_size_limit(sys.maxsize)
    for batch in batches:
        rows = []
        for path, content in zip(batch["path"], batch["content"], strict=True):
            n_rows, error_type = None, None
            try:
                plain = _DECOMPRESS.get(str(path)[str(path).rfind(".") :], bytes)(content)
                lines = io.TextIOWrapper(io.BytesIO(plain), encoding="latin-1", newline="")
                n_rows = max(0, sum(1 for record in csv.reader(lines) if record) - 1)
            except Exception as error:  # noqa: BLE001  whatever is wrong with one file is written in its row
                error_type = type(error).__name__
            rows.append((path, n_rows, error_type))
        yield pd.DataFrame(rows, columns=["path", "n_rows", "error_type"])


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
