"""Hadoop's file systems (local disk, HDFS, object stores), as far as the job touches them itself.

Contract: every path is taken literally (Spark's own readers take theirs for glob patterns: give them `literal(path)`),
but for `remove`, whose argument is a pattern.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from cardio_ner.errors import RunError
from cardio_ner.spark.spark_error import SPARK_ERRORS, name_of

HIDDEN = ("_", ".")
OPEN_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class File:
    """One file as a listing shows it: another size or time means other content."""

    path: str
    n_bytes: int
    modified_ms: int
    """Milliseconds since 1970, UTC."""


def hadoop_path_of(spark: SparkSession, path: str) -> tuple[Any, Any]:
    """The Hadoop Path of a path or glob, and its FileSystem. (PySpark has no public door to them.)"""
    hadoop_path = _path_class(spark.sparkContext._jvm)(_rooted(path))
    return hadoop_path, hadoop_path.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())


@cache
def _path_class(jvm: Any) -> Any:
    """Hadoop's Path. (Py4J asks the JVM what each part of a dotted name is, each time.)"""
    return jvm.org.apache.hadoop.fs.Path


def _rooted(path: str) -> str:
    """The path as Hadoop takes it: a store's root (`s3a://bucket`) has a slash."""
    return f"{path}/" if re.fullmatch(r"[A-Za-z][\w.+-]*:(//[^/]*)?", path) else path


def literal(path: str) -> str:
    """The path with Hadoop's glob characters escaped: Spark's readers take every path for a pattern."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", _rooted(path))


def qualified(spark: SparkSession, path: str) -> str:
    """The path with scheme and working directory, such as `file:/data/notes`. No slash is at its end, not even of a
    store's root: what lies in it begins with it and a slash."""
    hadoop_path, file_system = hadoop_path_of(spark, path)
    return str(file_system.makeQualified(hadoop_path).toString()).rstrip("/")


def lacks_letters(spark: SparkSession) -> str | None:
    """The encoding of Java's locale where it is not UTF-8 (cron's, say): names with other letters it gets wrong."""
    jvm: Any = spark.sparkContext._jvm
    encoding = str(jvm.java.lang.System.getProperty("sun.jnu.encoding"))
    return None if encoding.upper().replace("-", "") == "UTF8" else encoding


def exists(spark: SparkSession, path: str) -> bool:
    """Is there a file or folder?"""
    hadoop_path, file_system = hadoop_path_of(spark, path)
    return bool(file_system.exists(hadoop_path))


def files_below(spark: SparkSession, path: str) -> Iterator[File]:
    """Each file at or below a path, in no order; names that begin with `_` or `.`, of folders too, are hidden."""
    hadoop_path, file_system = hadoop_path_of(spark, path)
    root = qualified(spark, path)
    files = file_system.listFiles(hadoop_path, True)
    while files.hasNext():
        status = files.next()
        file = str(status.getPath().toString())
        if not any(part.startswith(HIDDEN) for part in file[len(root) :].split("/")):
            yield File(file, int(status.getLen()), int(status.getModificationTime()))


def folders_in(spark: SparkSession, path: str) -> list[str]:
    """The names of the folders in a folder; none where it does not exist."""
    return sorted(str(status.getPath().getName()) for status in _statuses(spark, path) if status.isDirectory())


def names_in(spark: SparkSession, path: str) -> list[str]:
    """The names of files and folders in a folder, hidden ones left out; none where it does not exist."""
    names = (str(status.getPath().getName()) for status in _statuses(spark, path))
    return sorted(name for name in names if not name.startswith(HIDDEN))


def _statuses(spark: SparkSession, path: str) -> Any:
    """What Hadoop says of each file and folder in a folder; nothing where it does not exist."""
    hadoop_path, file_system = hadoop_path_of(spark, path)
    return file_system.listStatus(hadoop_path) if file_system.exists(hadoop_path) else []


def make_folder(spark: SparkSession, path: str) -> bool:
    """Make a folder and its parents, where they are not there yet; is it there now?"""
    hadoop_path, file_system = hadoop_path_of(spark, path)
    return bool(file_system.mkdirs(hadoop_path))


def move(spark: SparkSession, source: str, target: str) -> None:
    """Rename a file or folder; the target must not exist, its parents are made. Atomic on local disks and HDFS."""
    source_path, file_system = hadoop_path_of(spark, source)
    target_path, _ = hadoop_path_of(spark, target)
    file_system.mkdirs(target_path.getParent())
    if file_system.exists(target_path) or not file_system.rename(source_path, target_path):
        raise FileExistsError(f"{target}: could not move {source} there")


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


def read_text(spark: SparkSession, path: str) -> str | None:
    """The content of a small UTF-8 file, or None where there is none."""
    hadoop_path, file_system = hadoop_path_of(spark, path)
    if not file_system.exists(hadoop_path):
        return None
    jvm: Any = spark.sparkContext._jvm
    stream = file_system.open(hadoop_path)
    try:
        return str(jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8"))
    finally:
        stream.close()


def first_bytes(spark: SparkSession, paths: Iterable[str], n_bytes: int) -> list[bytes]:
    """What each file begins with, decompressed as its name says."""
    jvm: Any = spark.sparkContext._jvm
    codecs = jvm.org.apache.hadoop.io.compress.CompressionCodecFactory(spark.sparkContext._jsc.hadoopConfiguration())

    def read(path: str) -> bytes:
        hadoop_path, file_system = hadoop_path_of(spark, path)
        stream, codec = file_system.open(hadoop_path), codecs.getCodec(hadoop_path)
        try:
            stream = codec.createInputStream(stream) if codec else stream
            beginning = jvm.org.apache.commons.io.input.BoundedInputStream(stream, n_bytes)
            return bytes(jvm.org.apache.commons.io.IOUtils.toByteArray(beginning))
        finally:
            stream.close()

    with ThreadPoolExecutor(OPEN_AT_ONCE) as threads:
        return list(threads.map(read, paths))


def modified_ms(spark: SparkSession, path: str) -> int | None:
    """When a file was last written, or None where there is none."""
    hadoop_path, file_system = hadoop_path_of(spark, path)
    try:
        return int(file_system.getFileStatus(hadoop_path).getModificationTime())
    except Py4JJavaError:
        if file_system.exists(hadoop_path):
            raise
        return None


def touch(spark: SparkSession, path: str) -> None:
    """Give a file, which is there all the while, the time of now. (Not every store can set a time alone.)"""
    _write(spark, path, str(time.time()), overwrite=True)


def write_text(spark: SparkSession, path: str, text: str) -> None:
    """Write a small UTF-8 file whole: aside first, then moved over what was there. Raises RunError where it cannot."""
    try:
        _write(spark, path + ".new", text, overwrite=True)
    except SPARK_ERRORS as error:
        raise RunError(
            f"{path}: cannot be written ({name_of(error)}): expected room on its disk, and leave to write there; what "
            "is committed stays: mend it and run again"
        ) from None
    remove(spark, literal(path))
    move(spark, path + ".new", path)


def create_text(spark: SparkSession, path: str, text: str) -> bool:
    """Create a small UTF-8 file if there is none: of several that try at once, one succeeds (local disks, HDFS)."""
    local = re.fullmatch(r"(?:file:/*)?(/.*)", qualified(spark, path))
    if local:  # Hadoop's local file system checks first and creates then, which two can do at once
        os.makedirs(os.path.dirname(local[1]), exist_ok=True)  # noqa: PTH103, PTH120  a name, not a Path's reading of it
        try:
            descriptor = os.open(local[1], os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError:  # a full disk: what nobody wrote must not stay
            os.unlink(local[1])  # noqa: PTH108
            raise
        return True
    try:
        _write(spark, path, text, overwrite=False)
    except Py4JJavaError:
        if exists(spark, path):
            return False
        raise
    return True


def _write(spark: SparkSession, path: str, text: str, *, overwrite: bool) -> None:
    hadoop_path, file_system = hadoop_path_of(spark, path)
    stream = file_system.create(hadoop_path, overwrite)
    try:
        stream.write(bytearray(text.encode()))
    finally:
        stream.close()
