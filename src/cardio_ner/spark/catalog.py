"""The job's tables under names: in one Spark session, or in a database of the catalog.

Contract
- `open_tables` makes temporary views `documents`, `spans`, `documents_current`, `spans_current` and `note_nlp` of an
  output folder, as it is at that moment: after a run, call it again.
- `register_database` makes external tables and permanent views of the same names. Run it after every run: it adds
  partitions and columns that came, drops partitions that went (compaction), and otherwise changes nothing. The output
  keeps the database's name (`registered_databases`): whoever moves its rows must register again.
- Both use the declared schemas, so an output without any mention has an empty `spans`; kept columns are found in the
  files.
"""

from __future__ import annotations

import re

from pyspark.sql import SparkSession
from pyspark.sql.types import StructField, StructType

from cardio_ner.errors import ConfigError, InputError, RunError
from cardio_ner.report.tables import packaged_sql
from cardio_ner.spark.hadoop import make_folder, names_in, qualified, write_text
from cardio_ner.spark.schema import DOCUMENT_PARTITIONS, SPAN_PARTITIONS, SPANS
from cardio_ner.spark.spark_error import SPARK_ERRORS, name_of
from cardio_ner.spark.tables import documents_schema, has_documents, kept_columns, read_documents, read_spans

_DATABASES = "_state/databases"
"""An empty file for each."""


def open_tables(spark: SparkSession, output: str) -> None:
    """Make the session's temporary views over an output folder. Raises InputError where there are no tables."""
    if not has_documents(spark, output):
        raise InputError(f"{output}: no documents table: expected the --output folder of a finished run")
    read_documents(spark, output).createOrReplaceTempView("documents")
    read_spans(spark, output).createOrReplaceTempView("spans")
    for statement in view_statements():
        spark.sql(statement)


def check_name(database: str | None) -> None:
    """Raises ConfigError where a database's name is illegal; none is legal."""
    if database is None:
        return
    if not re.fullmatch(r"[A-Za-z]\w*", database, re.ASCII) or database.lower() == "global_temp":
        raise ConfigError(
            f"database {database!r}: expected a letter, then letters, digits and underscores, such as cardiology"
        )


def register_database(spark: SparkSession, output: str, database: str) -> None:
    """Make or refresh the database's tables and views over an output folder. Raises ConfigError where the name is
    illegal, or where the database holds such a table of another folder, RunError where the catalog fails."""
    check_name(database)
    try:
        _register(spark, output, database)
    except SPARK_ERRORS as error:
        raise RunError(
            f"--database {database}: the catalog failed ({name_of(error)}): expected one that can be reached and lets "
            "this user make tables; mend it and run again"
        ) from None
    write_text(spark, f"{output}/{_DATABASES}/{database}", "")


def registered_databases(spark: SparkSession, output: str) -> list[str]:
    """The databases that an output was registered in."""
    return names_in(spark, f"{output}/{_DATABASES}")


def databases_of(spark: SparkSession, output: str, database: str | None) -> list[str]:
    """The databases to register again after an output's rows move: the one named, then others that it was registered in
    and that are still there. Raises ConfigError where none was named and there are some: they would be empty."""
    known = registered_databases(spark, output)
    if database is None and known:
        raise ConfigError(
            f"{output}: registered in {', '.join(known)}, whose tables would be without rows: expected --database "
            f"{known[0]}; of a database that is no more remove {output}/_state/databases/{known[0]}"
        )
    others = [name for name in known if name != database and spark.catalog.databaseExists(name)]
    return [] if database is None else [database, *others]


def _register(spark: SparkSession, output: str, database: str) -> None:
    schema = documents_schema(kept_columns(spark, output))
    session = spark.newSession()  # the caller's temporary views would hide the tables, and its database stays its own
    session.conf.set("spark.sql.timestampType", "TIMESTAMP_LTZ")
    if not session.catalog.databaseExists(database):  # of one that is there Hive logs an error, with Java's whole stack
        session.sql(f"CREATE DATABASE IF NOT EXISTS {database}")
    session.catalog.setCurrentDatabase(database)
    _register_table(session, output, "documents", schema, DOCUMENT_PARTITIONS)
    _register_table(session, output, "spans", SPANS, SPAN_PARTITIONS)
    for statement in view_statements():
        session.sql(statement.replace("TEMPORARY VIEW", "VIEW"))
    for table in ("documents", "spans"):
        spark.catalog.refreshTable(f"{database}.{table}")  # the caller's session remembers what it saw before


def view_statements() -> list[str]:
    """The statements of views.sql: DuckDB takes them at once, Spark one by one."""
    return [statement for statement in packaged_sql("views").split(";\n") if "CREATE" in statement]


def _register_table(session: SparkSession, output: str, name: str, schema: StructType, partitions: list[str]) -> None:
    """An external table over a folder of the output, with the partitions that are there now."""
    location = qualified(session, f"{output}/{name}")
    make_folder(session, location)
    if session.catalog.tableExists(name):
        _check_location(session, name, location)
    columns = {field.name: StructType([StructField(field.name, field.dataType)]).toDDL() for field in schema.fields}
    create = (
        f"CREATE TABLE IF NOT EXISTS {name} ({', '.join(columns.values())}) USING parquet "
        f"PARTITIONED BY ({', '.join(partitions)}) LOCATION {_literal(location)}"
    )
    session.sql(create)
    missing = [column for key, column in columns.items() if key not in session.table(name).columns]
    if missing:
        _add_columns(session, name, missing, create)
    session.sql(f"MSCK REPAIR TABLE {name} SYNC PARTITIONS")


def _add_columns(session: SparkSession, name: str, columns: list[str], create: str) -> None:
    """Columns that came with later batches. Hive adds none of a type that it lacks (a time without zone, say) to a
    table that it can read itself; made anew, the table is one that it keeps and does not read."""
    try:
        session.sql(f"ALTER TABLE {name} ADD COLUMNS ({', '.join(columns)})")
    except SPARK_ERRORS:
        if _described(session, name).get("Type") != "EXTERNAL":  # its files would go with it
            raise
        session.sql(f"DROP TABLE {name}")
        session.sql(create)


def _described(session: SparkSession, name: str) -> dict[str, str]:
    return {row["col_name"]: row["data_type"] for row in session.sql(f"DESCRIBE EXTENDED {name}").collect()}


def _check_location(session: SparkSession, name: str, location: str) -> None:
    described = _described(session, name)
    if described.get("Location") != location:
        raise ConfigError(
            f"{session.catalog.currentDatabase()}.{name}: is {described.get('Location', 'a view')}, not {location}: "
            "expected a database that holds no other such table; name another --database, or drop that table"
        )


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
