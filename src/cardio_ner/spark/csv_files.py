"""CSV files: a header line, then records whose quotes are doubled. Read by Spark, counted by Python's csv module.

Contract
- Spark never reads a header: it would print the first record of a file that has none, or has another. Headers are read
  here; a file whose header is not the input's is counted as `OtherHeader`, and its batch quarantines it. In any case of
  letters a header is the same; in another order it is another.
- Nor may Spark read a record of more than MAX_COLUMNS fields, which its error prints: such a file is `TooManyColumns`.
- A record of more fields than the header has is `failed` (TooManyFields), unless they are empty: its text may have been
  cut at a comma.
- Nor is a file read in which a record of several lines has a quote that is not doubled, or does not close: lines of
  others may be in it (`BrokenQuote`). In a record of one line such quotes are part of the text.
- Headers are tuples of raw names: one Latin-1 character a byte. Within a file, the header again is no record.
- Line ends within a text stay as they are: Spark makes line feeds of them where it finds out by itself that a file's
  records end so too (CRLF, as RFC 4180 has it). So it is told.
- Counting streams lines: no worker holds a whole file, whatever its size and compression.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import groupby
from operator import and_, itemgetter
from typing import Any

import pandas as pd
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from cardio_ner.errors import InputError
from cardio_ner.spark.formats import ERROR_TYPE, FILE, REASON, decoded, origin
from cardio_ner.spark.hadoop import File, first_bytes, literal
from cardio_ner.spark.spark_error import SPARK_ERRORS

NEVER = "\uffff"
"""No character of Latin-1."""
MAX_COLUMNS = 20_480
"""Spark's own limit (its option `maxColumns`)."""
_MARK = b"\xef\xbb\xbf".decode("latin-1")
_HEADER_LINES = 20
"""Lines among which a header, with line ends in its names at worst, is looked for."""
_SURPLUS = 8
"""Fields after the header's last that are looked at: of those that a comma in a text makes, some are empty."""
_BEGINNING = 64 * 1024
"""Bytes among which a file's first line end is looked for."""
_LINE_END = re.compile(rb"\r\n?|\n")
_COMPARED = 50
"""Fields by which a record is told from the header."""

_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_UTF16 = ("\xff\xfe", "\xfe\xff")

Header = tuple[str, ...]


class BrokenQuote(csv.Error):
    """A quote that is not closed where its field ends: what follows it may be other records."""


def find_header(
    spark: SparkSession, files: Sequence[File], wanted: set[str], encoding: str | None
) -> tuple[Header, list[str]]:
    """The first header that has the wanted names (a file without one may come before it), else the first; and its
    names, but for those that it has twice. Empty if no file can be read."""
    found: list[tuple[Header, list[str]]] = []
    for file in files:
        try:
            header = _read_header(spark, file)
        except SPARK_ERRORS:  # its batch will quarantine it: ask the next one
            continue
        names = _names_of(spark, header, encoding)
        if header:
            found.append((header, [name for name in names if names.count(name) == 1]))
        if wanted.issubset(names):
            return found[-1]
    return found[0] if found else ((), [])


def check_header(spark: SparkSession, header: Header, wanted: set[str], encoding: str | None, where: str) -> None:
    """Raises InputError where a wanted name is missing for a reason that can be told. (No other name of the header is:
    where there is none, they are words of a record.)"""
    names = _names_of(spark, header, encoding)
    missing = [name for name in sorted(wanted) if names.count(name) != 1]
    alike = {name.strip().casefold() for name in names}
    separator = next((told for sign, told in _SEPARATORS.items() if len(names) == 1 and sign in names[0]), None)
    if missing and header[0].startswith(_UTF16):
        raise InputError(f"{where}: is UTF-16: expected CSV in UTF-8, or an --encoding of single bytes; save it anew")
    if missing and separator:
        raise InputError(f"{where}: its fields are separated by {separator}: expected commas; save it anew")
    for name in missing:
        if name in names:
            raise InputError(f"{where}: has the column {name!r} twice: expected it once; rename one")
        if name.casefold() in alike and name.casefold() not in map(str.casefold, names):
            raise InputError(f"{where}: has white space beside the name {name!r}: expected none; rename it")


def _read_header(spark: SparkSession, file: File) -> Header:
    """The raw names in a file's first record, without a byte order mark (Hadoop drops it); none in an empty file."""
    csv.field_size_limit(sys.maxsize)
    lines = (bytes(row["value"]) for row in _lines(spark, [file]).select("value").take(_HEADER_LINES))
    return tuple(next(_records(lines), ()))


def _names_of(spark: SparkSession, header: Header, encoding: str | None) -> list[str]:
    """The header's names as text. Java decodes them, as it does the records."""
    jvm: Any = spark.sparkContext._jvm
    return [str(jvm.java.lang.String(bytearray(name.encode("latin-1")), encoding or "UTF-8")) for name in header]


def read_csv(
    spark: SparkSession, files: Sequence[File], header: Header, names: Sequence[str], encoding: str | None
) -> DataFrame:
    """The named columns of files that have the header. Read as Latin-1, in which every byte is a character, and turned
    back into its bytes: Spark's own reading of bytes that are not UTF-8 replaces them."""
    filled = [file for file in files if file.n_bytes]
    beginnings = dict(zip(filled, first_bytes(spark, (file.path for file in filled), _BEGINNING), strict=True))
    alike: dict[str, list[File]] = {}
    for file in files:
        alike.setdefault(_line_end(beginnings.get(file, b"")), []).append(file)
    frames = (_read_alike(spark, some, line_end, header, names, encoding) for line_end, some in alike.items())
    return reduce(DataFrame.unionByName, frames)


def _line_end(beginning: bytes) -> str:
    """What a file's first line ends with; a line feed where there is but one."""
    found = _LINE_END.search(beginning)
    return found[0].decode() if found else "\n"


def _read_alike(
    spark: SparkSession,
    files: Sequence[File],
    line_end: str,
    header: Header,
    names: Sequence[str],
    encoding: str | None,
) -> DataFrame:
    """`read_csv` of files whose records end alike."""
    schema = StructType([StructField(f"_{position}", StringType()) for position in range(len(header) + _SURPLUS)])
    reader = spark.read.schema(schema).option("recursiveFileLookup", True).option("encoding", "ISO-8859-1")
    reader = reader.option("multiLine", True).option("escape", '"').option("maxColumns", MAX_COLUMNS)
    reader = reader.option("charToEscapeQuoteEscaping", NEVER)  # else NUL is that, and goes where a quote follows
    reader = reader if line_end == "\n" else reader.option("lineSep", line_end)
    frame = reader.csv([literal(file.path) for file in files])
    there = _names_of(spark, header, encoding)
    columns = (decoded(F.encode(F.col(f"_{there.index(name)}"), "ISO-8859-1"), encoding).alias(name) for name in names)
    more = F.coalesce(*(F.col(f"_{len(header) + place}") for place in range(_SURPLUS))).isNotNull()
    told = (F.when(more, "failed").alias(REASON), F.when(more, "TooManyFields").alias(ERROR_TYPE))
    return frame.where(~_is_header(header)).select(*columns, *told, *origin())


def count_csv(spark: SparkSession, files: Sequence[File], header: Header) -> dict[str, int | str]:
    """Records by path, or why the file must not be read. Files that cannot be read to their end raise Spark's error."""

    def count(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        csv.field_size_limit(sys.maxsize)
        rows = (row for batch in batches for row in zip(batch[FILE], batch["value"], strict=True))
        for path, lines in groupby(rows, key=itemgetter(0)):
            n_rows, error_type = _count((bytes(line) for _, line in lines), header)
            yield pd.DataFrame({"path": [path], "n_rows": [n_rows], "error_type": [error_type]})

    lines = _lines(spark, files)
    n_tasks = min(len(files), 2 * spark.sparkContext.defaultParallelism)
    # A large file is read in parts: here they come together, in order.
    in_order = lines.repartition(n_tasks, FILE).sortWithinPartitions(FILE, "start", "number").select(FILE, "value")
    rows = in_order.mapInPandas(count, "path string, n_rows long, error_type string").collect()
    return {row["path"]: row["n_rows"] if row["error_type"] is None else row["error_type"] for row in rows}


def _lines(spark: SparkSession, files: Sequence[File]) -> DataFrame:
    """Lines as bytes, with what sorts them within their file."""
    lines = spark.read.option("recursiveFileLookup", True).option("lineSep", "\n")
    return lines.text([literal(file.path) for file in files]).select(
        origin()[0],
        F.col("value").cast("binary").alias("value"),
        F.col("_metadata.file_block_start").alias("start"),
        F.monotonically_increasing_id().alias("number"),
    )


def _records(lines: Iterable[bytes]) -> Iterator[list[str]]:
    """The records in lines that were split at line feeds; those of blank lines left out."""
    return (record for record in csv.reader(_text(lines)) if record)


def _text(lines: Iterable[bytes]) -> Iterator[str]:
    return (part for line in lines for part in io.StringIO(line.decode("latin-1") + "\n", newline=""))


def _whole_records(lines: Iterable[bytes]) -> Iterator[list[str]]:
    """As `_records`. Raises BrokenQuote where one of several lines has a quote within that is not doubled, or no end:
    its lines may be the records of others."""
    taken: list[str] = []

    def kept() -> Iterator[str]:
        for part in _text(lines):
            taken.append(part)
            yield part

    for record in csv.reader(kept()):
        if len(taken) > 1:
            try:
                list(csv.reader(taken, strict=True))
            except csv.Error:
                raise BrokenQuote from None
        taken.clear()
        if record:
            yield record


def _count(lines: Iterable[bytes], header: Header) -> tuple[int, str | None]:
    """Records below the header and None, or 0 and what is wrong."""
    n_rows = 0
    try:
        records = _whole_records(lines)
        first = next(records, None)
        if first is not None and (len(first) != len(header) or not _repeats(first, header)):
            return 0, "OtherHeader"
        for record in records:
            if len(record) > MAX_COLUMNS:
                return 0, "TooManyColumns"
            n_rows += not _repeats(record, header)
    except csv.Error as error:
        return 0, type(error).__name__
    return n_rows, None


def _repeats(record: Sequence[str], header: Header) -> bool:
    """Is the record the header? (Lengths first: texts are long.)"""
    padded = [*record[:_COMPARED], *[""] * _COMPARED]
    pairs = zip(padded, header[:_COMPARED], strict=False)
    return all(len(value) == len(name) and value.lower() == name.lower() for value, name in pairs)


def _is_header(header: Header) -> Column:
    """`_repeats` in the JVM. Before the first name Spark's CSV keeps a byte order mark, and quotes after that."""
    fields = [F.coalesce(F.col(f"_{position}"), F.lit("")) for position in range(min(len(header), _COMPARED))]
    names = [name.lower() for name in header[:_COMPARED]]
    short = [F.lower(F.left(field, F.lit(len(name) + 6))) for field, name in zip(fields, names, strict=True)]
    first = short[0].isin(names[0], f"{_MARK}{names[0]}", f'{_MARK}"{names[0]}"')
    return reduce(and_, (field == name for field, name in zip(short[1:], names[1:], strict=True)), first)
