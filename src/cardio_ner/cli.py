"""The command `cardio-ner`: tag a text at once, look at the job's tables, ask them in SQL. (The job itself is
`spark-submit jobs/annotate.py`, training is `python training/train.py`.)"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import duckdb
import typer
from rich.console import Console

from cardio_ner.corpus.standoff import read_text
from cardio_ner.document import LANGUAGES, Document
from cardio_ner.errors import InputError, errors_as_exit
from cardio_ner.language import detect_language
from cardio_ner.report.highlight import highlight
from cardio_ner.report.page import print_query, print_report
from cardio_ner.report.tables import open_tables

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Find diseases and medications in Spanish, English and Italian cardiology records.",
)


@app.command()
def tag(
    files: Annotated[list[Path] | None, typer.Argument(help="Text files; none: standard input")] = None,
    language: Annotated[str | None, typer.Option(help="es, en or it; default: detected")] = None,
    checkpoint: Annotated[str | None, typer.Option(help="Folder or hub name; default: the one that ships")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines of mentions in place of colours")] = False,
) -> None:
    """Tag text files (or standard input) and show the mentions."""
    from cardio_ner.tagger import Tagger

    console = Console()
    taggers: dict[str, Tagger] = {}
    with errors_as_exit(duckdb.Error):
        for document in _documents(files or [], language):
            model = checkpoint or document.language
            if model not in taggers:
                taggers[model] = Tagger.load(model)
            for tagged in taggers[model].tag([document]):
                _show(tagged, console, as_json=as_json)


def _documents(files: list[Path], language: str | None) -> Iterator[Document]:
    if not files:
        text = sys.stdin.buffer.read().decode("utf-8", errors="strict")
        yield Document("stdin", language or _detected("standard input", text), text)
    for path in files:
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        text = read_text(path)
        yield Document(path.stem, language or _detected(str(path), text), text)


def _detected(name: str, text: str) -> str:
    language = detect_language(text, LANGUAGES)
    if language is None:
        raise InputError(f"{name}: seems to be in none of {', '.join(LANGUAGES)}: if it is, say which with --language")
    return language


def _show(document: Document, console: Console, *, as_json: bool) -> None:
    if not as_json:
        console.print(highlight(document), soft_wrap=True)
        return
    for span in document.spans:
        mention = {
            "doc_id": document.doc_id,
            "language": document.language,
            "entity_type": span.entity_type,
            "start_offset": span.start,
            "end_offset": span.end,
            "text": document.mention(span),
            "score": round(span.score or 0.0, 4),
        }
        typer.echo(json.dumps(mention, ensure_ascii=False))


@app.command()
def report(
    output: Annotated[Path, typer.Argument(help="The --output folder of the job")],
    notes: Annotated[Path | None, typer.Option(help="Folder of the texts, to show one record")] = None,
    doc_id: Annotated[
        str | None, typer.Option(help="Which record to show; default: a short one, rich in mentions")
    ] = None,
    svg: Annotated[Path | None, typer.Option(help="Save the record as a picture")] = None,
) -> None:
    """Show what the job found: counts, the most frequent mentions, one record in colours."""
    with errors_as_exit(duckdb.Error):
        print_report(output, notes=notes, doc_id=doc_id, console=Console(), svg=svg)


@app.command()
def sql(
    output: Annotated[Path, typer.Argument(help="The --output folder of the job")],
    query: Annotated[str, typer.Argument(help="SQL over documents, spans, spans_current and note_nlp")],
) -> None:
    """Ask the job's tables in SQL (DuckDB, no Spark needed)."""
    with errors_as_exit(duckdb.Error):
        print_query(open_tables(output), query, console=Console())
