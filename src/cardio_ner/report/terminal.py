"""What is printed for a person: the console, and tables of values that came out of records.

Contract
- Written to a pipe or a file there is no colour, and a table is as wide as its content: nothing is cut at 80 columns.
- In a terminal a cell that is too wide goes on in the next line: nothing is left out.
- A value is shown, never obeyed: neither as rich's markup (`[/bold]`) nor, where it holds control characters, by the
  terminal. They are dropped, but for line breaks and tabs. (rich drops five of them, and lets escape through.)
"""

from __future__ import annotations

import sys
from collections.abc import Container, Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 10_000
"""Columns of a console that is no terminal: wider than any row that a person reads."""
PAGE_WIDTH = 120
"""What fills its console (panels, running text) is at most so wide."""
_CONTROLS = dict.fromkeys({*range(0x20), *range(0x7F, 0xA0)} - {ord("\t"), ord("\n")})


def open_console() -> Console:
    """The console on standard output."""
    return Console() if sys.stdout.isatty() else Console(width=PIPED_WIDTH)


def printable(text: str) -> str:
    """The text without the characters that a terminal would obey."""
    return text.translate(_CONTROLS)


def table_of(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None, right: Container[str] = ()
) -> Table:
    """A table of values: nothing for None; numbers, and the columns `right`, to the right."""
    kept = list(rows)
    table = Table(title=title, title_justify="left")
    for place, name in enumerate(columns):
        to_the_right = name in right or any(isinstance(row[place], int | float) for row in kept)
        table.add_column(Text(printable(name)), justify="right" if to_the_right else "left", overflow="fold")
    for row in kept:
        table.add_row(*(Text("" if value is None else printable(str(value))) for value in row))
    return table
