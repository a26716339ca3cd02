"""`cardio-ner query OUTPUT "SQL"`: the job's tables in DuckDB, as a table or as CSV.

Contract
- An error that the SQL has without any row is shown as DuckDB says it. Others come while rows are read and quote
  values, and those are of records: of them only the kind is shown.
- Ctrl-C ends it at once, whatever DuckDB is doing.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable
from concurrent.futures import Future
from enum import StrEnum
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand

from cardio_ner.cli.tag import has_utf8
from cardio_ner.document import DISEASE, MEDICATION
from cardio_ner.errors import InputError

if TYPE_CHECKING:
    import duckdb

TOP_MENTIONS = """
SELECT language, nfc_normalize(lower(text)) AS mention, count(*) AS mentions, count(DISTINCT doc_id) AS records,
       round(avg(score), 3) AS mean_score
FROM spans_current
WHERE entity_type = $entity_type
GROUP BY language, nfc_normalize(lower(text))
ORDER BY mentions DESC, records DESC, language, mention
LIMIT $limit
"""
ENTITY_TYPES_THERE = "SELECT DISTINCT entity_type FROM spans_current ORDER BY entity_type"

TOP_ROWS = 20
INTERRUPTED = 130
"""128 and the number of SIGINT, as shells count."""
_SECONDS_TO_STOP = 1.0
"""What DuckDB has to stop in when it is interrupted, and to remove its temporary files."""

T = TypeVar("T")
Answer = tuple[list[str], list[tuple[object, ...]]]
"""The names of the columns, and the rows."""


class Top(StrEnum):
    """What `--top` counts."""

    MEDICATIONS = "medications"
    DISEASES = "diseases"


ENTITY_TYPES = {Top.MEDICATIONS: MEDICATION, Top.DISEASES: DISEASE}


def query(
    output: Annotated[Path, typer.Argument(help="The --output folder of the job")],
    sql: Annotated[
        str | None,
        typer.Argument(
            metavar="SQL", help="Over the views documents, spans, documents_current, spans_current, note_nlp"
        ),
    ] = None,
    top: Annotated[Top | None, typer.Option(help="The most frequent mentions, in place of SQL")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help=f"How many of them; default: {TOP_ROWS}")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a header, in place of a table")] = False,
) -> None:
    """Ask the job's tables in SQL (DuckDB: no server, no Spark)."""
    if (sql is None) == (top is None):
        raise InputError("query: expected either an SQL query or --top medications, --top diseases")
    if limit is not None and top is None:
        raise InputError("--limit: expected with --top; SQL says LIMIT itself")
    if not has_utf8(sql or ""):
        raise InputError("the SQL is not UTF-8: expected UTF-8; set the terminal and its locale to it")
    from cardio_ner.report.tables import open_tables

    values: dict[str, object] = {"entity_type": ENTITY_TYPES[top], "limit": limit or TOP_ROWS} if top else {}
    asked = TOP_MENTIONS if sql is None else sql
    tables = _interruptible(lambda: open_tables(output))
    columns, rows = _interruptible(lambda: _answer(tables, asked, values), tables.interrupt)
    if top is not None and not rows:
        _say_what_is_there(tables, ENTITY_TYPES[top])
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    else:
        from cardio_ner.report.terminal import open_console, table_of

        open_console().print(table_of(columns, rows))


def _say_what_is_there(tables: duckdb.DuckDBPyConnection, asked: str) -> None:
    """Nothing to count: because the checkpoints find another type, or name it otherwise?"""
    _, types = _interruptible(lambda: _answer(tables, ENTITY_TYPES_THERE, {}), tables.interrupt)
    there = ", ".join(str(name) for (name,) in types) or "no mentions at all"
    typer.echo(f"(no mention is a {asked}: the tables have {there})", err=True)


class SqlCommand(TyperCommand):
    """A command one of whose arguments is SQL, which may begin with a comment, `-- …`: no option has a space in it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Typer does; such an argument is told from an option by a space before it."""
        return super().parse_args(ctx, [f" {arg}" if arg.startswith("-") and " " in arg else arg for arg in args])


def _shortened(row: tuple[object, ...], places: set[int]) -> tuple[object, ...]:
    """The row with the 32-bit numbers at these places as their shortest decimals, 0.52, and not as the 64-bit ones of
    their values, 0.519999980926."""
    import numpy as np

    return tuple(
        float(str(np.float32(value))) if place in places and isinstance(value, float) else value
        for place, value in enumerate(row)
    )


def _interruptible(work: Callable[[], T], interrupt: Callable[[], None] | None = None) -> T:
    """What the work gives, done in a thread of its own: Python sees Ctrl-C between two calls of DuckDB alone, and one
    call may last for hours. `interrupt` asks the work to stop; if it does not, the program ends all the same."""
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # noqa: BLE001  raised where the answer is asked for
            answer.set_exception(error)

    try:
        Thread(target=run, daemon=True).start()  # within: it may be at work before this returns
        return answer.result()
    except KeyboardInterrupt:
        try:
            if interrupt is not None:
                interrupt()
                answer.exception(timeout=_SECONDS_TO_STOP)
        finally:
            os._exit(INTERRUPTED)  # a thread within DuckDB would hold up Python's own end


def _answer(tables: duckdb.DuckDBPyConnection, sql: str, values: dict[str, object]) -> Answer:
    """The names of the columns, and the rows. Raises InputError for SQL that DuckDB does not take."""
    import duckdb

    try:
        statements = tables.extract_statements(sql)
        if len(statements) != 1:
            raise InputError(f"the SQL has {len(statements)} statements: expected one")
        if missing := statements[0].named_parameters - values.keys():
            raise InputError(f"the SQL has parameters ({', '.join(sorted(missing))}): expected values in their place")
        answer = tables.execute(sql, values)
        columns = answer.description or []
        short = {place for place, column in enumerate(columns) if column[1] == "FLOAT"}
        rows = answer.fetchall()
        return [str(column[0]) for column in columns], [_shortened(row, short) for row in rows] if short else rows
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        from cardio_ner.report.blame import what_was_wrong

        raise InputError(what_was_wrong(tables, sql, values, error)) from None
