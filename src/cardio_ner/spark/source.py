"""Where rows come from: files that a stream can follow, or a table of the catalog that is read in chunks.

Contract
- `open_source` refuses what cannot be read as asked (path, format, columns, types) before any work starts.
- A source lists the input as pieces (files, or chunks of a table); `rows` gives the gated rows of some pieces, each
  input row once, and `counts` how many an independent reader finds in each.
- Parquet tables of the catalog whose rows are all that lies in their folder are files. Views, JDBC and other tables
  (partitions elsewhere, in folders of other names, or dropped while their files stay) are cut by
  `pmod(xxhash64(id), n)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from cardio_ner.errors import InputError
from cardio_ner.spark.columns import (
    json_columns,
    parquet_columns,
    required,
    same_files,
    spelled,
    strings,
    unreadable,
    wanted,
)
from cardio_ner.spark.counts import Counts, count_rows
from cardio_ner.spark.csv_files import Header, check_header, find_header, read_csv
from cardio_ner.spark.fhir import check_resources, document_references
from cardio_ner.spark.formats import (
    ERROR_TYPE,
    FILE,
    MODIFIED,
    REASON,
    check_encoding,
    read_json,
    read_lines,
    read_parquet,
    read_texts,
)
from cardio_ner.spark.gate import gate
from cardio_ner.spark.hadoop import File, files_below, qualified
from cardio_ner.spark.listing import is_input, suffix_format
from cardio_ner.spark.schema import quoted
from cardio_ner.spark.settings import Settings
from cardio_ner.spark.spark_error import SPARK_ERRORS, name_of

PARTITIONED = "# Partition Information"
"""A line of DESCRIBE TABLE's answer."""
UNKNOWN_TABLE = ("TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND", "PARSE_SYNTAX_ERROR")
OWN_COLUMNS = {"id_column": "doc_id", "text_column": "text", "language_column": "language"}
"""Formats that name their rows themselves: texts, brat and FHIR."""


@dataclass(frozen=True, slots=True)
class FileSource:
    """Files of one format at or below a root."""

    spark: SparkSession
    root: str
    """Qualified path of a folder or of one file."""
    input_format: str
    settings: Settings
    schema: StructType
    """The columns that are read (of Parquet also their types)."""
    folder: str
    """The root, or the root file's folder."""
    by_folder: tuple[str, ...] = ()
    """Those of Parquet's columns that are folders."""
    header: Header = ()
    """What each CSV file begins with."""

    @property
    def name(self) -> str:
        """What the stream's digest is made of."""
        return self.root

    def listing(self) -> Iterator[File]:
        """Every input file that is there now. Raises InputError where the folder has gone, or cannot be read."""
        try:
            yield from (file for file in files_below(self.spark, self.root) if self.owns(file.path))
        except SPARK_ERRORS as error:
            raise InputError(
                f"{self.root}: cannot be listed ({name_of(error)}): expected the folder to stay, and to be readable; "
                "what is done is known: run again when it is there"
            ) from None

    def owns(self, path: str) -> bool:
        """Is the file part of the input? (Names tell, unless the format was named.)"""
        return is_input(path, self.root, self.settings.input_format, self.input_format)

    def rows(self, files: Sequence[File]) -> DataFrame:
        """The gated rows of the files."""
        return gate(self._raw(files), self.settings)

    def counts(self, files: Sequence[File]) -> Counts:
        """Rows by path, or the name of the error where a file cannot be read."""
        return count_rows(self.spark, files, self.input_format, self.header)

    def n_bytes(self, files: Sequence[File]) -> int:
        """Size on disk."""
        return sum(file.n_bytes for file in files)

    def _raw(self, files: Sequence[File]) -> DataFrame:
        spark, encoding, names = self.spark, self.settings.encoding, self.schema.names
        match self.input_format:
            case "parquet":
                return read_parquet(spark, files, self.schema, root=self.folder, by_folder=self.by_folder)
            case "jsonl":
                return read_json(spark, files, names, encoding, id_column=self.settings.id_column)
            case "csv":
                return read_csv(spark, files, self.header, names, encoding)
            case "fhir":
                rows = document_references(read_lines(spark, files))
                return rows.withColumnsRenamed({"reason": REASON, "error_type": ERROR_TYPE})
            case _:
                languages = tuple(self.settings.checkpoints)
                return read_texts(spark, files, root=self.folder, languages=languages, encoding=encoding)


@dataclass(frozen=True, slots=True)
class TableSource:
    """A table or view of the catalog that cannot be streamed: its pieces are chunks of its ids."""

    spark: SparkSession
    table: str
    n_chunks: int
    settings: Settings
    schema: StructType
    """The columns that are read."""
    started_ms: int = 0
    """When the pass over the table began."""

    @property
    def name(self) -> str:
        """What the stream's digest is made of."""
        return f"table:{self.table}"

    def listing(self) -> Iterator[File]:
        """One piece a chunk: the same number of chunks, the same rows in each."""
        return (File(f"{self.name}#{chunk}/{self.n_chunks}", 0, self.started_ms) for chunk in range(self.n_chunks))

    def rows(self, files: Sequence[File]) -> DataFrame:
        """The gated rows of the chunks."""
        nowhere = (F.lit(None).cast("string").alias(FILE), F.lit(None).cast("timestamp_ltz").alias(MODIFIED))
        return gate(self._chunks(files).select("*", *nowhere), self.settings)

    def counts(self, files: Sequence[File]) -> Counts:
        """Rows by chunk, by a query of their own."""
        return {file.path: self._chunks([file]).count() for file in files}

    def n_bytes(self, files: Sequence[File]) -> int:
        """Unknown of a table: one each, so that progress goes by chunks."""
        return len(files)

    def _chunks(self, files: Sequence[File]) -> DataFrame:
        numbers = [int(file.path.rsplit("#", 1)[1].split("/")[0]) for file in files]
        chunk = F.pmod(F.xxhash64(F.col(quoted(self.settings.id_column)).cast("string")), F.lit(self.n_chunks))
        return self.spark.table(self.table).where(chunk.isin(numbers)).select(*map(quoted, self.schema.names))


Source = FileSource | TableSource


def open_source(
    spark: SparkSession, input_path: str, settings: Settings, *, columns: StructType | None = None
) -> FileSource:
    """The files at a path; `columns` where they are known (a catalog's). Raises InputError where they cannot be read as
    asked."""
    check_encoding(spark, settings.encoding)
    root, input_format, first = suffix_format(spark, input_path, settings.input_format)
    folder = root.rsplit("/", 1)[0] if first[0].path == root else root
    if input_format in ("text", "brat", "fhir"):
        _check_names_no_column(settings, input_format)
        if input_format == "fhir":
            check_resources(spark, first, input_path)
        return FileSource(spark, root, input_format, settings, strings(*OWN_COLUMNS.values()), folder)
    if input_format == "csv":
        header, names = find_header(spark, first, required(settings), settings.encoding)
        if not header:
            raise unreadable(folder, first, input_format)
        check_header(spark, header, required(settings), settings.encoding, input_path)
        settings = spelled(settings, names)
        schema = wanted(strings(*names), settings, input_path)
        return FileSource(spark, root, input_format, settings, schema, folder, header=header)
    if input_format == "jsonl":
        schema = wanted(json_columns(spark, folder, first, settings), settings, input_path)
        return FileSource(spark, root, input_format, settings, schema, folder)
    columns, by_folder = parquet_columns(spark, folder, first, columns)
    settings = spelled(settings, columns.names)
    schema = wanted(columns, settings, input_path)
    return FileSource(spark, root, input_format, settings, schema, folder, by_folder)


def _check_names_no_column(settings: Settings, input_format: str) -> None:
    """Raises InputError where a column is named of files that have none."""
    named = [(key, name) for key, own in OWN_COLUMNS.items() if (name := getattr(settings, key)) not in (own, None)]
    for key, name in [*named, *(("keep", name) for name in settings.keep)]:
        raise InputError(
            f"--{key.replace('_', '-')} {name}: {input_format} files have no columns to name: leave it out"
        )


def open_table(spark: SparkSession, table: str, settings: Settings) -> Source:
    """A table of the catalog: its files where they are Parquet's, else its chunks. Raises InputError."""
    try:
        columns = spark.table(table).schema
        detail = {row["col_name"]: row["data_type"] for row in spark.sql(f"DESCRIBE TABLE EXTENDED {table}").collect()}
    except AnalysisException as error:
        why = "no such table or view" if name_of(error) in UNKNOWN_TABLE else f"cannot be looked up ({name_of(error)})"
        raise InputError(f"{table}: {why}: expected a name that spark.table() knows") from None
    provider, location = (detail.get("Provider") or "").lower(), str(detail.get("Location"))
    if provider == "csv":  # where a file has another header than the table, Spark logs its first record
        raise InputError(f"{table}: a CSV table, whose reader logs records: expected --input, its folder {location}")
    settings = spelled(settings, columns.names)
    schema = wanted(columns, settings, table)
    is_files = provider == "parquet" and detail.get("Type") in ("MANAGED", "EXTERNAL")
    if is_files:
        spark.catalog.refreshTable(table)  # what was written since by others, this session may not have seen
        paths = [file.path for file in files_below(spark, location)]
        is_files = same_files(spark.table(table).inputFiles(), paths)
        if is_files and PARTITIONED in detail:
            is_files = _lie_in_partitions(spark, table, qualified(spark, location), paths)
    if is_files:
        settings = settings.model_copy(update={"input_format": "parquet"})
        return open_source(spark, location, settings, columns=columns)
    return TableSource(spark, table, settings.table_chunks, settings, schema)


def _lie_in_partitions(spark: SparkSession, table: str, root: str, paths: Sequence[str]) -> bool:
    """Does each file of a table lie in a folder that says its partition (`ward=4`)? The catalog may have given it to
    another (`WARD=4`, `4-mended`), which tells readers of files nothing, or what is not so."""
    try:
        partitions = {unquote(row["partition"]) for row in spark.sql(f"SHOW PARTITIONS {table}").collect()}
    except AnalysisException:  # not kept by the catalog: Spark itself goes by the folders
        return True
    return {unquote(path[len(root) + 1 :].rpartition("/")[0]) for path in paths} <= partitions
