"""`cardio-ner doctor`: what of this machine works, what does not, and what to do."""

from __future__ import annotations

import typer


def doctor() -> None:
    """Look at torch, checkpoints, CPU, GPU, Spark, Java and data: what works, what does not, the remedy."""
    from cardio_ner.cli.checks import all_checks
    from cardio_ner.report.terminal import open_console, table_of

    checks = list(all_checks())
    rows = [(check.name, check.state, check.found, check.remedy) for check in checks]
    open_console().print(table_of(("what", "state", "found", "remedy"), rows))
    if broken := [check.name for check in checks if check.state == "broken"]:
        typer.echo(f"Broken: {', '.join(broken)}.", err=True)
        raise typer.Exit(1)
    typer.echo("Nothing is broken.")
