"""The page that `cardio-ner report` prints: what became of the records, the most frequent mentions, one record."""

from __future__ import annotations

import io
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb
from rich.console import Console, Group
from rich.panel import Panel
from rich.syntax import Syntax
from rich.text import Text

from cardio_ner.document import Document, Span
from cardio_ner.errors import InputError
from cardio_ner.report.highlight import highlight
from cardio_ner.report.tables import open_tables, packaged_sql
from cardio_ner.report.terminal import PAGE_WIDTH, printable, table_of
from cardio_ner.report.texts import check_encoding, text_of

NEGATION_NOTE = "Mentions include negated, past and family ones: «no fever», «alergia a penicilina» are mentions too."
SHOWN_CHARS = 1_800
_TRIED = 100
"""Records whose file is looked for before none is shown."""
_LIVELIEST = f"""
SELECT doc_id
FROM spans_current JOIN documents_current USING (doc_id)
GROUP BY doc_id, n_chars
ORDER BY n_chars BETWEEN 600 AND {SHOWN_CHARS} DESC, count(DISTINCT spans_current.entity_type) DESC,
         count(*) / n_chars DESC, doc_id
LIMIT {_TRIED}
"""


def print_report(
    output: Path,
    *,
    notes: Path | None,
    doc_id: str | None,
    console: Console,
    svg: Path | None = None,
    encoding: str | None = None,
) -> None:
    """Print the page for an output folder; with `notes`, the folder of texts that was annotated, also one record (the
    one named, else a short one rich in mentions), which `svg` saves as a picture. `encoding` is what the job was told
    of the notes. Raises InputError where they have no such record in the text that was annotated."""
    check_encoding(encoding)
    tables = open_tables(output)
    panel = None if notes is None else _record_panel(tables, notes, doc_id, encoding)
    for name in ("documents_by_outcome", "top_mentions"):
        _print_query(tables, packaged_sql(name), console=console)
    if panel is not None:
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


def _record_panel(tables: duckdb.DuckDBPyConnection, notes: Path, doc_id: str | None, encoding: str | None) -> Panel:
    """One record with its mentions, from the spans table and the text file."""
    if not notes.is_dir():
        raise InputError(f"{notes}: no such folder: expected the folder of notes that was annotated")
    found = [str(row[0]) for row in tables.execute(_LIVELIEST).fetchall()] if doc_id is None else [doc_id]
    if not found:
        return Panel("no record with mentions to show", title="record")
    doc_id, text = _first_with_text(tables, notes, found, encoding)
    rows = tables.execute(
        "SELECT start_offset, end_offset, entity_type, score FROM spans_current WHERE doc_id = ?", [doc_id]
    ).fetchall()
    shown = text[:SHOWN_CHARS]
    spans = [Span(start, end, name, score) for start, end, name, score in rows if end <= len(shown)]
    more = f"… {len(text) - len(shown)} characters more" if len(shown) < len(text) else ""
    body = highlight(Document(doc_id, "", shown).with_spans(spans))
    return Panel(Group(body, more) if more else body, title=Text(printable(f"{doc_id}  ({len(rows)} mentions)")))


def _first_with_text(
    tables: duckdb.DuckDBPyConnection, notes: Path, doc_ids: Sequence[str], encoding: str | None
) -> tuple[str, str]:
    """The first of the documents whose annotated text is in the notes, and the text."""
    why = ""
    for doc_id in doc_ids:
        row = tables.execute("SELECT text_sha256 FROM documents_current WHERE doc_id = ?", [doc_id]).fetchone()
        if row is None:
            raise InputError(f"--doc-id {doc_id}: no such document in the tables: expected a doc_id of theirs")
        text, why = text_of(notes, doc_id, row[0], encoding=encoding)
        if text is not None:
            return doc_id, text
    raise InputError(f"{notes}/{doc_ids[-1]}.txt: {why} Expected the folder of notes that was annotated")
