"""Which files are the input, and of which format they are.

Contract: a format named by the user takes every file (of text and brat folders: those named `.txt`); `auto` goes by the
names, takes the files of the one format that they tell, and refuses a folder that has two.
"""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from cardio_ner.errors import InputError, NoFileError
from cardio_ner.spark.hadoop import HIDDEN, File, exists, files_below, lacks_letters, names_in, qualified
from cardio_ner.spark.spark_error import SPARK_ERRORS, name_of

FORMATS = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".txt": "text",
}
COMPRESSED = (".gz", ".bz2", ".zst", ".snappy", ".lz4", ".deflate")
LOOKED_AT = 10_000
"""Names that `auto` reads before it decides."""
SOME_FILES = 20
"""Files that are asked for their columns, at most."""


def format_of(path: str) -> str | None:
    """The format that a file's name tells."""
    name = path.lower()
    plain = next((name.removesuffix(suffix) for suffix in COMPRESSED if name.endswith(suffix)), name)
    told = next((told for suffix, told in FORMATS.items() if plain.endswith(suffix)), None)
    return told if plain == name or told in ("jsonl", "csv") else None


def is_input(path: str, root: str, asked: str, input_format: str) -> bool:
    """Is a file below the root part of the input? `asked` is the format that the user named, or `auto`."""
    if any(part.startswith(("_", ".")) for part in path[len(root) :].split("/")):
        return False
    if path == root:
        return True
    if input_format in ("text", "brat"):
        return path.lower().endswith(".txt")
    return asked != "auto" or format_of(path) == input_format


def suffix_format(spark: SparkSession, input_path: str, asked: str) -> tuple[str, str, list[File]]:
    """The qualified root, its format, and a few of its files. Raises InputError (NoFileError: none there yet)."""
    try:
        if not exists(spark, input_path):
            raise InputError(f"{input_path}: no such file or folder")
        root = qualified(spark, input_path)
        _check_no_lake(spark, root)
    except SPARK_ERRORS as error:
        lacks_jars = name_of(error) in ("UnsupportedFileSystemException", "ClassNotFoundException")
        expected = "that this Spark has the jars for" if lacks_jars else "that can be reached, and that may be read"
        raise InputError(f"{input_path}: {name_of(error)}: expected a path of a file system {expected}") from None
    _check_names(spark, root)
    _check_links(root)
    try:
        seen = list(islice(files_below(spark, root), LOOKED_AT))
    except SPARK_ERRORS as error:
        raise InputError(
            f"{input_path}: cannot be listed ({name_of(error)}): expected folders that this user may read, all of them"
        ) from None
    if asked == "auto":
        told = sorted({told for file in seen if (told := format_of(file.path))})
        if not told:
            raise NoFileError(
                f"{input_path}: no file whose name ends in {', '.join(FORMATS)}: name it with --input-format"
            )
        if len(told) > 1:
            raise InputError(f"{input_path}: has files of {' and '.join(told)}: name one with --input-format")
        input_format = told[0]
    else:
        input_format = asked
    if [file.path for file in seen] == [root] and root.rsplit("/", 1)[1].startswith(HIDDEN):
        raise InputError(f"{input_path}: Spark passes over names that begin with _ or . (hidden): rename the file")
    files = [file for file in seen if is_input(file.path, root, asked, input_format)]
    if not files:
        raise NoFileError(f"{input_path}: no file of format {input_format}: expected at least one")
    if input_format in ("jsonl", "csv", "fhir"):
        _check_codecs(spark, files)
    return root, input_format, _spread(sorted(files, key=lambda file: (file.n_bytes == 0, file.path)))


def _check_no_lake(spark: SparkSession, root: str) -> None:
    """Raises InputError for the folder of a table whose log says which files count: the others are of the past."""
    logs = {"Delta": "_delta_log", "Hudi": ".hoodie"}
    found = [kind for kind, folder in logs.items() if exists(spark, f"{root}/{folder}")]
    found += ["Iceberg"] * any(name.endswith(".metadata.json") for name in names_in(spark, f"{root}/metadata"))
    if found:
        raise InputError(f"{root}: a table of {found[0]}, with files of its past: expected --table, its name")


def _spread(files: list[File]) -> list[File]:
    """At most SOME_FILES of them, from the first to the last."""
    if len(files) <= SOME_FILES:
        return files
    return [files[place * (len(files) - 1) // (SOME_FILES - 1)] for place in range(SOME_FILES)]


def _check_names(spark: SparkSession, root: str) -> None:
    """Raises InputError where Java would pass over local files: in a locale without UTF-8 (cron's, say) it has no
    letters for their names, and lists them not at all."""
    encoding = lacks_letters(spark)
    local = re.fullmatch(r"file:/*(/.*)", root)
    if local is None or encoding is None:
        return
    for folder, folders, files in os.walk(local[1]):
        if not all(name.isascii() for name in (*folders, *files)):
            raise InputError(
                f"{root}: has names with letters that Java's locale ({encoding}) lacks, as in {folder!a}: they "
                "would be passed over; expected a locale of UTF-8: set LC_ALL=C.UTF-8 and run again"
            )


def _check_links(root: str) -> None:
    """Raises InputError where a link among local folders leads to one that it lies in: Java follows it until Linux says
    no, and each file below would be forty."""
    local = re.fullmatch(r"file:/*(/.*)", root)
    for folder, folders, _ in os.walk(local[1]) if local else ():
        folders[:] = [name for name in folders if not name.startswith(HIDDEN)]
        for link in filter(os.path.islink, (os.path.join(folder, name) for name in folders)):  # noqa: PTH118
            if Path(folder).resolve().is_relative_to(Path(link).resolve()):
                raise InputError(
                    f"{root}: the link {link} leads to a folder that it lies in, so files would be read forty times, "
                    "under as many names: expected folders without such a link; remove it"
                )


def _check_codecs(spark: SparkSession, files: list[File]) -> None:
    """Raises InputError where some are compressed as this Hadoop cannot open (zst needs a native library)."""
    jvm: Any = spark.sparkContext._jvm
    codecs = jvm.org.apache.hadoop.io.compress.CompressionCodecFactory(spark.sparkContext._jsc.hadoopConfiguration())
    found = {suffix: file.path for file in files for suffix in COMPRESSED if file.path.lower().endswith(suffix)}
    for suffix, path in sorted(found.items()):
        try:
            codecs.getCodec(jvm.org.apache.hadoop.fs.Path(f"x{suffix}")).createDecompressor()
        except (AttributeError, *SPARK_ERRORS):
            raise InputError(
                f"{path}: Spark cannot open {suffix} files here: expected .gz, .bz2 or none; compress it anew, or "
                "install Hadoop's native library"
            ) from None
