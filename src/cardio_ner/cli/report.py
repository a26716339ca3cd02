"""`cardio-ner report OUTPUT`: what the job found, at a glance; with `--output FILE`, as a page for the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cardio_ner.errors import InputError


def report(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The --output folder of the job")],
    file: Annotated[
        Path | None, typer.Option("--output", help="Write the report as one HTML file, in place of showing it")
    ] = None,
    notes: Annotated[Path | None, typer.Option(help="Folder of the texts that were annotated, to show records")] = None,
    encoding: Annotated[str | None, typer.Option(help="The --encoding that the job was given for the notes")] = None,
    with_text: Annotated[
        bool | None,
        typer.Option("--text/--no-text", help="HTML: with or without record text; default: with, up to 200 documents"),
    ] = None,
    doc_id: Annotated[
        str | None, typer.Option(help="Which record to show; default: a short one, rich in mentions")
    ] = None,
    svg: Annotated[Path | None, typer.Option(help="Save the record as a picture")] = None,
) -> None:
    """Show what the job found: counts, the most frequent mentions, records in colours."""
    if encoding is not None and notes is None:
        raise InputError("--encoding: expected with --notes, the folder of the texts that were annotated")
    if file is None:
        if with_text is not None:
            raise InputError("--text, --no-text: expected with --output FILE, the HTML report")
        if notes is None and (doc_id is not None or svg is not None):
            raise InputError("--doc-id, --svg: expected with --notes, the folder of the texts that were annotated")
        _show(output, notes, encoding, doc_id, svg)
    else:
        if doc_id is not None or svg is not None:
            raise InputError("--doc-id, --svg: expected without --output: the HTML report has every record")
        _write(output, file, notes, encoding, with_text)


def _show(output: Path, notes: Path | None, encoding: str | None, doc_id: str | None, svg: Path | None) -> None:
    from cardio_ner.report.page import print_report
    from cardio_ner.report.terminal import open_console

    print_report(output, notes=notes, doc_id=doc_id, console=open_console(), svg=svg, encoding=encoding)


def _write(output: Path, file: Path, notes: Path | None, encoding: str | None, with_text: bool | None) -> None:
    from cardio_ner.report.html.writing import write_html_report

    written = write_html_report(output, file, notes=notes, with_text=with_text, encoding=encoding)
    held = "counts only, no record text"
    if written.with_text:
        held = f"the text of {written.texts:,} of them" if written.texts else "names and mentions, no whole text"
    typer.echo(f"{written.file}: {written.documents:,} documents, {held}, {written.n_bytes / 1e6:.2f} MB", err=True)
