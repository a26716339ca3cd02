"""`cardio-ner report OUTPUT`: what the job found, at a glance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    output: Annotated[Path, typer.Argument(help="The --output folder of the job")],
    notes: Annotated[Path | None, typer.Option(help="Folder of the texts, to show one record")] = None,
    doc_id: Annotated[
        str | None, typer.Option(help="Which record to show; default: a short one, rich in mentions")
    ] = None,
    svg: Annotated[Path | None, typer.Option(help="Save the record as a picture")] = None,
) -> None:
    """Show what the job found: counts, the most frequent mentions, one record in colours."""
    from cardio_ner.report.page import print_report
    from cardio_ner.report.terminal import open_console

    print_report(output, notes=notes, doc_id=doc_id, console=open_console(), svg=svg)
