"""What the footers of Parquet files tell, without Spark: how many rows they have, and which columns without a type.

pyarrow writes a column of nulls alone (pandas: one of None) so: it may have any type elsewhere, and Spark reads it in
none but that of a number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from cardio_ner.spark.hadoop import File, hadoop_path_of

AT_ONCE = 8
REMEMBERED = 20_000
"""Footers of a batch's files, which are counted first and then read: errors are not among them."""
_UNTYPED = re.compile(r"^  optional \w+ (.+) \(UNKNOWN\)(?: = \d+)?;$", re.MULTILINE)
"""Of a schema as Java writes it, the columns that are within no other."""


@dataclass(frozen=True, slots=True)
class Footer:
    """One file's."""

    n_rows: int
    untyped: tuple[str, ...]
    """Columns of nulls alone."""


def read_footers(spark: SparkSession, files: Sequence[File]) -> list[Footer | str]:
    """Each file's footer, or the simple name of the exception that reading it raised."""

    def read(file: File) -> Footer | str:
        try:
            return _footer(spark, file)
        except Py4JJavaError as error:
            return str(error.java_exception.getClass().getSimpleName())

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(read, files))


@lru_cache(maxsize=REMEMBERED)
def _footer(spark: SparkSession, file: File) -> Footer:
    jvm: Any = spark.sparkContext._jvm
    hadoop_path, _ = hadoop_path_of(spark, file.path)
    configuration = spark.sparkContext._jsc.hadoopConfiguration()
    reader = jvm.org.apache.parquet.hadoop.ParquetFileReader.open(
        jvm.org.apache.parquet.hadoop.util.HadoopInputFile.fromPath(hadoop_path, configuration)
    )
    try:
        schema = str(reader.getFileMetaData().getSchema().toString())
        return Footer(int(reader.getRecordCount()), tuple(_UNTYPED.findall(schema)))
    finally:
        reader.close()
