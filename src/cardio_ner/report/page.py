"""The page that `cardio-ner report` prints: what became of the records, the most frequent mentions, one record."""

from __future__ import annotations

import io
import re
import shlex
import sys
from pathlib import Path

import duckdb
from rich.console import Console, Group
from rich.panel import Panel
from rich.syntax import Syntax
from rich.text import Text

from cardio_ner.corpus.standoff import read_text
from cardio_ner.document import Document, Span
from cardio_ner.errors import InputError
from cardio_ner.report.highlight import highlight
from cardio_ner.report.tables import open_tables, packaged_sql
from cardio_ner.report.terminal import PAGE_WIDTH, printable, table_of

NEGATION_NOTE = "Mentions include negated, past and family ones: «no fever», «alergia a penicilina» are mentions too."
SHOWN_CHARS = 1_800
_LIVELIEST = """
SELECT doc_id
FROM spans_current JOIN (SELECT DISTINCT doc_id, text_sha256, n_chars FROM documents) AS d USING (doc_id, text_sha256)
WHERE n_chars BETWEEN 600 AND 1800
GROUP BY doc_id, n_chars
ORDER BY count(DISTINCT entity_type) DESC, count(*) / n_chars DESC, doc_id
LIMIT 1
"""


def print_report(
    output: Path, *, notes: Path | None, doc_id: str | None, console: Console, svg: Path | None = None
) -> None:
    """Print the page for an output folder; with `notes`, the folder of texts that was annotated, also one record (the
    one named, else a short one rich in mentions), which `svg` saves as a picture."""
    tables = open_tables(output)
    for name in ("documents_by_outcome", "top_mentions"):
        _print_query(tables, packaged_sql(name), console=console)
    if notes is not None:
        panel = _record_panel(tables, notes, doc_id)
        console.print(panel, width=min(console.width, PAGE_WIDTH))
        if svg is not None:
            save_picture(panel, svg)
    console.print(NEGATION_NOTE, style="italic")
    more = f'Ask more:  {sys.argv[0]} query {shlex.quote(str(output))} "SELECT * FROM spans_current LIMIT 5"'
    console.print(more, highlight=False, markup=False, soft_wrap=True)


def _print_query(tables: duckdb.DuckDBPyConnection, sql: str, *, console: Console) -> None:
    """Print a query and its answer as a table."""
    console.print(Syntax("", "sql").highlight(sql.strip()))
    answer = tables.execute(sql)
    console.print(table_of([column[0] for column in answer.description or ()], answer.fetchall()))


def save_picture(panel: Panel, path: Path) -> None:
    """The panel as an SVG that fetches nothing (rich's own asks a web site for its font)."""
    recorder = Console(record=True, width=110, file=io.StringIO())
    recorder.print(panel)
    picture = recorder.export_svg(title="cardio-ner", unique_id="record")
    path.write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL), encoding="utf-8")


def _record_panel(tables: duckdb.DuckDBPyConnection, notes: Path, doc_id: str | None) -> Panel:
    """One record with its mentions, from the spans table and the text file."""
    if doc_id is None:
        found = tables.execute(_LIVELIEST).fetchone()
        if found is None:
            return Panel("no record with mentions to show", title="record")
        doc_id = str(found[0])
    path = notes / f"{doc_id}.txt"
    if not path.is_file():
        raise InputError(f"{path}: no such file: expected the folder of notes that was annotated")
    rows = tables.execute(
        "SELECT start_offset, end_offset, entity_type, score FROM spans_current WHERE doc_id = ?", [doc_id]
    ).fetchall()
    text = read_text(path)
    shown = text[:SHOWN_CHARS]
    spans = [Span(start, end, name, score) for start, end, name, score in rows if end <= len(shown)]
    more = f"… {len(text) - len(shown)} characters more" if len(shown) < len(text) else ""
    body = highlight(Document(doc_id, "", shown).with_spans(spans))
    return Panel(Group(body, more) if more else body, title=Text(printable(f"{doc_id}  ({len(rows)} mentions)")))
