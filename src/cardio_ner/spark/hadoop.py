"""Hadoop's file systems (local disk, HDFS, object stores), as far as the job touches them itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pyspark.sql import SparkSession


def hadoop_path_of(spark: SparkSession, path: str) -> tuple[Any, Any]:
    """The Hadoop Path of a path or glob, and its FileSystem. (PySpark has no public door to them.)"""
    jvm: Any = spark.sparkContext._jvm
    hadoop_path = jvm.org.apache.hadoop.fs.Path(path)
    return hadoop_path, hadoop_path.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())


def literal(path: str) -> str:
    """The path with Hadoop's glob characters escaped: Spark's readers take every path for a pattern."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", path)


def qualified(spark: SparkSession, path: str) -> str:
    """The path with scheme and working directory, such as `file:/data/notes`."""
    hadoop_path, file_system = hadoop_path_of(spark, path)
    return str(file_system.makeQualified(hadoop_path).toString())


def exists(spark: SparkSession, path: str) -> bool:
    """Is there a file or folder?"""
    hadoop_path, file_system = hadoop_path_of(spark, path)
    return bool(file_system.exists(hadoop_path))


def files_below(spark: SparkSession, path: str) -> Iterator[Any]:
    """Hadoop's status (path, length, time) of each file at or below a path, but for hidden ones (`_…`, `.…`)."""
    hadoop_path, file_system = hadoop_path_of(spark, path)
    files = file_system.listFiles(hadoop_path, True)
    while files.hasNext():
        status = files.next()
        if not status.getPath().getName().startswith(("_", ".")):
            yield status


def remove(spark: SparkSession, pattern: str) -> None:
    """Delete whatever a glob matches."""
    path, file_system = hadoop_path_of(spark, pattern)
    for status in file_system.globStatus(path) or []:
        file_system.delete(status.getPath(), True)


def remove_if_empty(spark: SparkSession, folder: str) -> None:
    """Delete a folder with nothing in it."""
    path, file_system = hadoop_path_of(spark, folder)
    if file_system.exists(path) and not len(file_system.listStatus(path)):
        file_system.delete(path, False)
