"""Which columns an input has, of which types, and which of them the settings mean.

Contract
- Files of one input may differ in columns: those of some of its files, spread over all, are put together.
- A name in another case of letters means the column where there is no other (extracts of databases shout theirs), but
  for JSON's keys, which Spark tells apart.
- What is missing, or of a type that cannot be used, raises InputError before a row is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import unquote

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, BinaryType, DataType, MapType, StringType, StructField, StructType

from cardio_ner.errors import InputError
from cardio_ner.spark.formats import read_lines
from cardio_ner.spark.hadoop import File, literal
from cardio_ner.spark.settings import Settings
from cardio_ner.spark.spark_error import SPARK_ERRORS, name_of


def columns_of(
    spark: SparkSession, folder: str, input_format: str, some: Sequence[File], settings: Settings
) -> tuple[StructType, bool]:
    """The columns of Parquet files, and whether some of them are folders; of JSON lines, the keys of the first file
    that can be read."""
    if input_format == "parquet":
        return _parquet_columns(spark, folder, some)
    why = ""
    for file in some:
        try:
            if names := _keys_of(spark, file, settings):
                # A record without the key has no language: it is no column that could be missing.
                return strings(*sorted(names | {settings.language_column or "language"})), False
        except SPARK_ERRORS as error:  # its batch will quarantine it: ask the next one
            why = name_of(error)
    raise unreadable(folder, some, input_format, why)


def _parquet_columns(spark: SparkSession, folder: str, some: Sequence[File]) -> tuple[StructType, bool]:
    """As `columns_of`. One look at all files, or one at each where some cannot be read or differ in a type."""
    try:
        return _columns_inside(spark, folder, some)
    except SPARK_ERRORS as error:
        why = name_of(error)
    fields: dict[str, StructField] = {}
    by_folder = False
    for file in some:
        try:
            columns, of_folders = _columns_inside(spark, folder, [file])
        except SPARK_ERRORS as error:  # its batch will quarantine it
            why = name_of(error)
            continue
        fields = {field.name: field for field in columns.fields} | fields
        by_folder |= of_folders
    if not fields:
        raise unreadable(folder, some, "parquet", why)
    return StructType(list(fields.values())), by_folder


def _columns_inside(spark: SparkSession, folder: str, files: Sequence[File]) -> tuple[StructType, bool]:
    paths = [literal(file.path) for file in files]
    inside = spark.read.option("recursiveFileLookup", True).option("mergeSchema", True).parquet(*paths).schema
    if not all("=" in file.path[len(folder) :] for file in files):  # Spark would pass over those that are in none
        return inside, False
    whole = spark.read.option("basePath", folder).option("mergeSchema", True).parquet(*paths).schema
    return whole, len(whole) > len(inside)


def unreadable(folder: str, some: Sequence[File], input_format: str, why: str = "") -> InputError:
    """Where no file tells its columns."""
    named = f" ({why})" if why else ""
    return InputError(
        f"{folder}: none of {len(some)} of its files can be read as {input_format}{named}: name the --input-format, or "
        "write them anew without what Spark cannot read"
    )


def _keys_of(spark: SparkSession, file: File, settings: Settings) -> set[str]:
    """The keys of a file's first thousand JSON lines; of an empty file, those that are wanted."""
    if file.n_bytes == 0:
        return required(settings)
    keys = F.explode(F.json_object_keys(F.make_valid_utf8("value"))).alias("key")
    return {row["key"] for row in read_lines(spark, [file]).limit(1000).select(keys).distinct().collect()}


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
            raise InputError(
                f"{where}: no column {name!r} ({option}) among its {len(columns)}: expected one of that name (CSV: in "
                "the first line of each file); name another"
            )
    given = settings.language_column if settings.language is None else None
    if given in columns.names:
        options["--language-column"] = str(given)
    for option, name in options.items():
        if not option.startswith("--keep"):
            _check_type(columns[name].dataType, option, name, where)
    return StructType([columns[name] for name in dict.fromkeys(options.values())])


def _check_type(data_type: DataType, option: str, name: str, where: str) -> None:
    nested = isinstance(data_type, ArrayType | MapType | StructType)
    if nested or (option == "--text-column" and not isinstance(data_type, StringType | BinaryType)):
        expected = "text" if option == "--text-column" else "one plain value a row"
        raise InputError(
            f"{where}: column {name!r} ({option}) is {data_type.simpleString()}: expected {expected}; name another"
        )
