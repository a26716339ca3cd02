"""Which columns an input has, of which types, and which of them the settings mean.

Contract
- Files of one input may differ in columns: those of some of its files, spread over all, are put together.
- A name in another case of letters means the column where there is no other (extracts of databases shout theirs), but
  for JSON's keys, which Spark tells apart.
- What is missing, or of a type that cannot be used, raises InputError before a row is read.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from urllib.parse import unquote

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    ByteType,
    CalendarIntervalType,
    DataType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    MapType,
    NullType,
    ShortType,
    StringType,
    StructField,
    StructType,
)

from cardio_ner.errors import InputError, NoFileError
from cardio_ner.spark.formats import read_lines
from cardio_ner.spark.hadoop import File, literal
from cardio_ner.spark.settings import Settings
from cardio_ner.spark.spark_error import SPARK_ERRORS, name_of

LOOKED_AT_LINES = (1_000, 100_000)
"""JSON lines of a file that are asked for their keys: at first, and where these lack one."""
STILL_WRITTEN_SECONDS = 600
"""Age of a file that may still be being written, at most."""

_WIDTHS: tuple[tuple[type[DataType], ...], ...] = (
    (ByteType, ShortType, IntegerType, LongType),
    (FloatType, DoubleType),
)


def parquet_columns(
    spark: SparkSession, folder: str, some: Sequence[File], catalogs: StructType | None
) -> tuple[StructType, tuple[str, ...]]:
    """The columns of Parquet files (a catalog's, where it knows them), and those of them that are folders (`ward=4/`):
    a column inside the files is none."""
    parts = [part for file in some for part in file.path[len(folder) :].split("/")[:-1]]
    folders = dict.fromkeys(part.split("=", 1)[0] for part in parts if re.match("[^=]+=", part))
    if catalogs is not None:
        return catalogs, tuple(name for name in folders if name in catalogs.names)
    inside = _columns_inside(spark, folder, some)
    by_folder = tuple(name for name in folders if name not in inside.names)
    return StructType([*inside.fields, *strings(*by_folder).fields]), by_folder


def json_columns(spark: SparkSession, folder: str, some: Sequence[File], settings: Settings) -> StructType:
    """The keys of JSON lines."""
    names = _keys_of_some(spark, folder, some, settings)
    # A record without the key has no language: it is no column that could be missing.
    return strings(*sorted({*names, settings.language_column or "language"}))


def _columns_inside(spark: SparkSession, folder: str, some: Sequence[File]) -> StructType:
    """One look at all files, or one at each where some cannot be read or differ in a type: of two the wider is taken,
    or the first. A column that has no type anywhere is text."""
    reader = spark.read.option("recursiveFileLookup", True).option("mergeSchema", True)
    try:
        return StructType([*map(_typed, reader.parquet(*(literal(file.path) for file in some)).schema.fields)])
    except SPARK_ERRORS as error:
        why = name_of(error)
    fields: dict[str, StructField] = {}
    for file in some:
        try:
            for field in reader.parquet(literal(file.path)).schema.fields:
                fields[field.name] = _wider(fields.get(field.name, field), field)
        except SPARK_ERRORS as error:  # its batch will quarantine it
            why = name_of(error)
    if not fields:
        raise unreadable(folder, some, "parquet", why)
    return StructType([*map(_typed, fields.values())])


def _typed(field: StructField) -> StructField:
    return StructField(field.name, StringType()) if field.dataType == NullType() else field


def unreadable(folder: str, some: Sequence[File], input_format: str, why: str = "") -> InputError:
    """Where no file tells its columns. (NoFileError where one of them may still be being written.)"""
    named = f" ({why})" if why else ""
    newest = max(file.modified_ms for file in some) / 1000
    kind = NoFileError if time.time() - newest < STILL_WRITTEN_SECONDS else InputError
    return kind(
        f"{folder}: none of {len(some)} of its files can be read as {input_format}{named}: name the --input-format, or "
        "write them anew without what Spark cannot read"
    )


def _keys_of_some(spark: SparkSession, folder: str, some: Sequence[File], settings: Settings) -> set[str]:
    """The keys of JSON lines: those of one file after the other until all that are required are among them. A key may
    be rare: where the files' beginnings lack one, more of each is looked at."""
    names: set[str] = set()
    why = ""
    for n_lines in LOOKED_AT_LINES:
        for file in some:
            try:
                names |= _keys_of(spark, file, settings, n_lines)
            except SPARK_ERRORS as error:  # its batch will quarantine it: ask the next one
                why = name_of(error)
            if required(settings) <= names:
                return names
    if not names:
        raise unreadable(folder, some, "jsonl", why or _shape_of(spark, some[0]))
    return names


def _shape_of(spark: SparkSession, file: File) -> str:
    """What JSON is that is not one object a line, and who makes it so."""
    line = read_lines(spark, [file]).select(F.btrim("value", F.lit(" \t\r")).alias("value")).first()
    shapes = {"[": "an array: jq -c '.[]' makes lines of it", "{": "over several lines: jq -c . makes one of each"}
    return shapes.get(str(line.value)[:1], "") if line else ""


def _keys_of(spark: SparkSession, file: File, settings: Settings, n_lines: int) -> set[str]:
    """The keys of a file's first JSON lines; of an empty file, those that are wanted."""
    if file.n_bytes == 0:
        return required(settings)
    keys = F.explode(F.json_object_keys(F.make_valid_utf8("value"))).alias("key")
    return {row["key"] for row in read_lines(spark, [file]).limit(n_lines).select(keys).distinct().collect()}


def required(settings: Settings) -> set[str]:
    """The names of the columns that an input must have."""
    return {settings.id_column, settings.text_column, *settings.keep}


def spelled(settings: Settings, names: Sequence[str]) -> Settings:
    """The settings with the columns' names as the input spells them."""

    def there(name: str) -> str:
        alike = [its for its in names if its.casefold() == name.casefold()]
        return alike[0] if name not in names and len(alike) == 1 else name

    given = settings.language_column
    found = {"id_column": there(settings.id_column), "text_column": there(settings.text_column)}
    keep = tuple(map(there, settings.keep))
    return settings.model_copy(update=found | {"keep": keep, "language_column": given and there(given)})


def same_files(uris: Iterable[str], paths: Iterable[str]) -> bool:
    """Are a table's files, as Spark writes their URIs, those of its folder? (Partitions may lie anywhere, and those
    that were dropped leave their files.)"""
    return {_plain(unquote(uri)) for uri in uris} == {_plain(path) for path in paths}


def _plain(path: str) -> str:
    return path.replace("file:///", "file:/")


def strings(*names: str) -> StructType:
    """Columns of text."""
    return StructType([StructField(name, StringType()) for name in names])


def wanted(columns: StructType, settings: Settings, where: str) -> StructType:
    """The columns that the settings name, with their types checked."""
    options = {"--id-column": settings.id_column, "--text-column": settings.text_column}
    options |= {f"--keep {name}": name for name in settings.keep}
    for option, name in options.items():
        if name not in columns.names:
            # Not which it has: without a header, CSV's are the first record's words; JSON's keys may be a record's too.
            is_fhir = "; or, of FHIR, --preset fhir" if "resourceType" in columns.names else ""
            raise InputError(
                f"{where}: no column {name!r} ({option}) among its {len(columns)}: expected one of that name (CSV: in "
                f"the first line of each file); name another{is_fhir}"
            )
    given = settings.language_column if settings.language is None else None
    if given in columns.names:
        options["--language-column"] = str(given)
    for option, name in options.items():
        check = _check_kept if option.startswith("--keep") else _check_type
        check(columns[name].dataType, option, name, where)
    fields = (columns[name] for name in dict.fromkeys(options.values()))
    # What becomes text may be of any width: files that nobody has looked at yet may have a wider one.
    widest = StructField("", LongType())
    return StructType([field if field.name in settings.keep else _wider(field, widest) for field in fields])


def _wider(one: StructField, other: StructField) -> StructField:
    """The first field that has a type, as wide as either where both are integers, or floating."""
    if one.dataType == NullType():
        return StructField(one.name, other.dataType)
    for kind in _WIDTHS:
        if type(one.dataType) in kind and type(other.dataType) in kind:
            widest = max(one.dataType, other.dataType, key=lambda data_type: kind.index(type(data_type)))
            return StructField(one.name, widest)
    return one


def _check_type(data_type: DataType, option: str, name: str, where: str) -> None:
    nested = isinstance(data_type, ArrayType | MapType | StructType)
    if nested or (option == "--text-column" and not isinstance(data_type, StringType | BinaryType)):
        expected = "text" if option == "--text-column" else "one plain value a row"
        raise InputError(
            f"{where}: column {name!r} ({option}) is {data_type.simpleString()}: expected {expected}; name another"
        )


def _check_kept(data_type: DataType, option: str, name: str, where: str) -> None:
    if not _has_parquet(data_type):
        raise InputError(
            f"{where}: column {name!r} ({option}) is {data_type.simpleString()}, for which Parquet has no type: "
            "expected another; leave it out, or cast it in a view"
        )


def _has_parquet(data_type: DataType) -> bool:
    """Is there such a type in Parquet? None is for intervals of the calendar, nor for a struct without a field."""
    if isinstance(data_type, StructType):
        return bool(data_type.fields) and all(_has_parquet(field.dataType) for field in data_type.fields)
    if isinstance(data_type, MapType):
        return _has_parquet(data_type.keyType) and _has_parquet(data_type.valueType)
    if isinstance(data_type, ArrayType):
        return _has_parquet(data_type.elementType)
    return not isinstance(data_type, CalendarIntervalType)
