"""How each kind of file (CSV: csv_files.py) becomes a frame: the columns wanted, and where each row came from.

Contract
- Bytes stay as they are: text that is not UTF-8 arrives as the bytes that it is, and is gated later (gate.py), or is
  decoded from the encoding that the user names. Nothing is replaced silently.
- Every frame has FILE (the path as listings show it) and MODIFIED (when the file was last written), and may have
  REASON and ERROR_TYPE for rows that the format itself makes unreadable. An input's own columns never have these names.
- JSON lines give strings, read by name; no pass over the data infers types.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DoubleType, StringType, StructField, StructType

from cardio_ner.errors import InputError
from cardio_ner.spark.footers import read_footers
from cardio_ner.spark.hadoop import File, literal
from cardio_ner.spark.schema import quoted
from cardio_ner.spark.spark_error import SPARK_ERRORS

FILE, MODIFIED, REASON, ERROR_TYPE = RESERVED = ("_source_file", "_source_modified_at", "_reason", "_error_type")
_ANY_LENGTH = str(2**31 - 1)
_LONE_SURROGATE = (
    r"(?<!\\)(?:\\\\)*(?:\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)
"""A JSON escape that is half a character: Java would read a question mark."""
_FLOATING = r"^-?\d+\.\d+(E\d+)?$"
EXACT = float(2**53)
"""Above it not every integer is a floating number."""


def origin() -> tuple[Column, Column]:
    """FILE and MODIFIED of a row. (Spark's `file_path` is percent-encoded; its `url_decode` takes + for a space.)"""
    path = F.url_decode(F.replace(F.col("_metadata.file_path"), F.lit("+"), F.lit("%2B")))
    return path.alias(FILE), F.col("_metadata.file_modification_time").alias(MODIFIED)


def read_parquet(
    spark: SparkSession, files: Sequence[File], schema: StructType, *, root: str, by_folder: Sequence[str]
) -> DataFrame:
    """Parquet files by a declared schema; the columns `by_folder` are folders below the root (`ward=4/`), of whatever
    depth: null where a file lies in none. (Spark's own reading of them wants all files equally deep.) A column that has
    no type in some of the files is null there."""
    inside = StructType([field for field in schema.fields if field.name not in by_folder])
    names = {name.casefold(): name for name in inside.names}
    alike: dict[frozenset[str], list[File]] = {}
    for file, footer in zip(files, read_footers(spark, files), strict=True):
        untyped = () if isinstance(footer, str) else footer.untyped
        alike.setdefault(frozenset({name.casefold() for name in untyped} & {*names}), []).append(file)
    rows = reduce(
        DataFrame.unionByName,
        (_read_typed(spark, some, inside, [names[name] for name in untyped]) for untyped, some in alike.items()),
    )
    told = [
        _folder_value(root, field.name).cast(field.dataType).alias(field.name)
        for field in schema.fields
        if field.name in by_folder
    ]
    return rows.select("*", *told).select(*map(quoted, schema.names), FILE, MODIFIED)


def _read_typed(spark: SparkSession, files: Sequence[File], schema: StructType, untyped: Sequence[str]) -> DataFrame:
    """Parquet files by a declared schema, with the columns `untyped` as null."""
    there = StructType([field for field in schema.fields if field.name not in untyped])
    rows = spark.read.schema(there).option("recursiveFileLookup", True).parquet(*_paths(files))
    nulls = (F.lit(None).cast(schema[name].dataType).alias(name) for name in untyped)
    return rows.select(*map(quoted, there.names), *nulls, *origin())


def _folder_value(root: str, name: str) -> Column:
    """What the innermost folder `name=value` of a row's file says; null for Hive's word for it."""
    folders = F.split(F.substr(F.col(FILE), F.lit(len(root) + 2)), "/")
    folders = F.slice(folders, F.lit(1), F.size(folders) - 1)
    told = F.try_element_at(F.filter(folders, lambda folder: folder.startswith(f"{name}=")), F.lit(-1))
    value = F.substr(told, F.lit(len(name) + 2))
    plain = F.try_url_decode(F.replace(value, F.lit("+"), F.lit("%2B")))
    return F.nullif(F.coalesce(plain, value), F.lit("__HIVE_DEFAULT_PARTITION__"))


def read_lines(spark: SparkSession, files: Sequence[File]) -> DataFrame:
    """The lines of text files that are not blank, as bytes in the column `value`."""
    reader = spark.read.option("recursiveFileLookup", True).option("lineSep", "\n")
    lines = reader.text(_paths(files)).select("value", *origin())
    return lines.where(~F.col("value").rlike(r"\A[ \t\r]*\z"))


def read_json(
    spark: SparkSession, files: Sequence[File], names: Sequence[str], encoding: str | None, *, id_column: str
) -> DataFrame:
    """JSON lines: the named keys as strings (identifiers that are floating numbers as `whole_number` tells them). A
    line that is not one JSON object has nulls and `error_type` MalformedJSON; one that is not text in its encoding is
    `invalid_encoding`, with what can be read of its id."""
    record = StructType([StructField(name, StringType()) for name in names])
    line = decoded(F.col("value").cast("binary"), encoding)
    invalid = ~F.is_valid_utf8(line) | line.rlike(_LONE_SURROGATE)
    legible = F.regexp_replace(F.make_valid_utf8(line), "^\ufeff", "")
    # As an array: of two objects on a line, from_json drops the second without a word.
    listed = F.concat(F.lit("["), legible, F.lit("]"))
    records = F.from_json(listed, ArrayType(record), {"maxStringLen": _ANY_LENGTH})
    kept = (listed.alias("listed"), invalid.alias("invalid"), FILE, MODIFIED)
    parsed = read_lines(spark, files).select(records.alias("records"), *kept)
    only = F.when(F.size("records") == 1, F.get("records", F.lit(0)))
    found = parsed.select(only.alias("record"), "listed", "invalid", FILE, MODIFIED)
    values = {name: F.col(f"record.{quoted(name)}") for name in names}
    values[id_column] = _json_identifier(values[id_column], id_column)
    return found.select(
        *(value.alias(name) for name, value in values.items()),
        F.when(F.col("invalid"), "invalid_encoding").alias(REASON),
        F.when(F.col("record").isNull(), "MalformedJSON").alias(ERROR_TYPE),
        FILE,
        MODIFIED,
    )


def _json_identifier(text: Column, name: str) -> Column:
    """The value of a key as text. Where it looks like one of Java's floating numbers (12345678.0, as pandas writes it,
    is 1.2345678E7), the line is asked once more whether it is a number there, or a string."""
    record = ArrayType(StructType([StructField(name, DoubleType())]))
    again = F.from_json("listed", record, {"maxStringLen": _ANY_LENGTH})
    number = F.get(again, F.lit(0)).getField(name)
    return F.coalesce(F.when(text.rlike(_FLOATING), whole_number(number)), text)


def whole_number(number: Column) -> Column:
    """A floating number as an integer's text, where it is whole: 12345678, not 1.2345678E7, which no other table has;
    else null. (pandas makes such numbers of integers of which one is null.)"""
    is_whole = (F.rint(number) == number) & (F.abs(number) <= EXACT)
    return F.when(is_whole, number.try_cast("bigint").cast("string"))


def read_texts(
    spark: SparkSession, files: Sequence[File], *, root: str, languages: Sequence[str], encoding: str | None
) -> DataFrame:
    """One row per file: `doc_id` is its path below the root without `.txt`, `language` what the innermost folder says
    that is named by one of `languages`, the root's own name included. Spark's file sources pass over empty files: they
    are added."""
    empty = [(file.path, file.modified_ms) for file in files if file.n_bytes == 0]
    rows = spark.createDataFrame(empty, f"{FILE} string, ms long")
    found = rows.select(FILE, F.timestamp_millis("ms").alias(MODIFIED), F.lit("").alias("text"))
    if full := [file for file in files if file.n_bytes]:
        contents = spark.read.format("binaryFile").option("recursiveFileLookup", True).load(_paths(full))
        text = decoded(F.col("content"), encoding).alias("text")
        found = found.unionByName(
            contents.select(F.col("path").alias(FILE), F.col("modificationTime").alias(MODIFIED), text)
        )
    below = F.regexp_replace(F.substr(F.col(FILE), F.lit(len(root) + 2)), r"(?i)\.txt$", "")
    parts, first = F.split(F.col(FILE), "/"), root.count("/") + 1
    folders = F.slice(parts, F.lit(first), F.size(parts) - first)
    language = F.try_element_at(F.filter(folders, lambda name: name.isin(*languages)), F.lit(-1))
    return found.select("text", below.alias("doc_id"), language.alias("language"), FILE, MODIFIED)


def check_encoding(spark: SparkSession, encoding: str | None) -> None:
    """Raises InputError where Java, which decodes, does not know the name: Python's names are not all Java's."""
    jvm: Any = spark.sparkContext._jvm
    try:
        known = encoding is None or jvm.java.nio.charset.Charset.isSupported(encoding)
    except SPARK_ERRORS:  # it cannot be a name
        known = False
    if not known:
        raise InputError(
            f"--encoding {encoding}: Java knows no such encoding: expected a name of IANA's, such as ISO-8859-1 "
            "(Latin-1) or windows-1252"
        )


def decoded(content: Column, encoding: str | None) -> Column:
    """Bytes as a string: unchanged for UTF-8 (valid or not), else decoded; where that fails, unchanged too."""
    unchanged = content.cast("string")
    if encoding is None:
        return unchanged
    text = F.decode(content, encoding)
    return F.when(text.contains("\ufffd"), unchanged).otherwise(text)


def _paths(files: Sequence[File]) -> list[str]:
    return [literal(file.path) for file in files]
