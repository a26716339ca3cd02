"""Of SQL that DuckDB could not answer: is it the SQL that is wrong, or does it fail on the rows? And what to say of it.

Contract
- What is said never quotes a value of a record. DuckDB's message about rows does, and so may one about columns: those
  of a PIVOT are named by values.
- So the SQL is asked again of views of the same columns that have one row of nulls, and where no file can be read: what
  DuckDB says then is of the SQL alone. That takes PATIENCE seconds at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Timer

import duckdb

PATIENCE = 2.0
VIEWS = ("documents", "spans", "documents_current", "spans_current", "note_nlp")


def what_was_wrong(
    tables: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, object], error: duckdb.Error
) -> str:
    """A message about the error with which the tables answered the SQL."""
    if isinstance(error, duckdb.ParserException | duckdb.IOException):
        return f"the SQL is wrong: {error}"
    again = _error_without_rows(tables, sql, values)
    if type(again) is type(error):
        return f"the SQL is wrong: {again}"
    if isinstance(error, duckdb.BinderException | duckdb.CatalogException) and isinstance(
        again, duckdb.PermissionException
    ):  # of other files; what follows the first line may name columns of a PIVOT
        return f"the SQL is wrong: {str(error).splitlines()[0]}"
    return (
        f"the SQL failed on the rows ({type(error).__name__}): expected values that it can compute with; try_cast "
        "gives null for those that it cannot"
    )


def _error_without_rows(
    tables: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, object]
) -> duckdb.Error | None:
    """What DuckDB says of the SQL where there are no rows but one of nulls, and no files."""
    with duckdb.connect() as empty:
        empty.execute("SET TimeZone = 'UTC'")
        for view in VIEWS:
            described = tables.execute(f"DESCRIBE {view}").fetchall()
            columns = ", ".join(f'CAST(NULL AS {kind}) AS "{_quoted(name)}"' for name, kind, *_ in described)
            empty.execute(f"CREATE TEMPORARY TABLE {view} AS SELECT {columns}")
        empty.execute("SET enable_external_access = false")
        timer = Timer(PATIENCE, empty.interrupt)
        timer.start()
        try:
            empty.execute(sql, values)
        except duckdb.Error as error:
            return error
        finally:
            timer.cancel()
    return None


def _quoted(name: str) -> str:
    return name.replace('"', '""')
