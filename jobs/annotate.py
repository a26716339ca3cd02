"""Find diseases and medications in clinical records: spark-submit jobs/annotate.py --input notes/ --output out/"""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import Annotated

import typer

from cardio_ner.errors import errors_as_exit
from cardio_ner.spark.catalog import check_name
from cardio_ner.spark.pipeline import annotate
from cardio_ner.spark.session import session
from cardio_ner.spark.settings import read_settings
from cardio_ner.spark.stopping import quiet_on_interrupt, stop_on_signals

LEAST_SECONDS = 0.001
"""Of --follow: Spark counts in milliseconds."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    output: Annotated[str, typer.Option(help="Folder for the tables: output/documents and output/spans")],
    input_path: Annotated[
        str | None,
        typer.Option(
            "--input", help="Parquet, JSON lines, CSV, FHIR NDJSON, a folder of .txt files or of brat; any Hadoop path"
        ),
    ] = None,
    table: Annotated[str | None, typer.Option(help="A table or view of the catalog, instead of --input")] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML settings such as conf/annotate.yaml; options below win")
    ] = None,
    input_format: Annotated[
        str | None, typer.Option(help="parquet, jsonl, csv, text, brat or fhir; default: by the file names")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="omop-note (the NOTE table of OMOP CDM) or fhir")] = None,
    encoding: Annotated[str | None, typer.Option(help="Of files that are not UTF-8, such as windows-1252")] = None,
    id_column: Annotated[str | None, typer.Option(help="Column with the record's identifier; default: doc_id")] = None,
    text_column: Annotated[str | None, typer.Option(help="Column with the record's text; default: text")] = None,
    language_column: Annotated[
        str | None, typer.Option(help="Column with es, en or it (none: detected); default: language")
    ] = None,
    language: Annotated[str | None, typer.Option(help="Language of every record: es, en or it")] = None,
    keep: Annotated[list[str] | None, typer.Option(help="Column to carry into the documents table; repeatable")] = None,
    skip_unchanged: Annotated[
        bool | None, typer.Option(help="Do not tag again what the tables have with the same id and text")
    ] = None,
    retry: Annotated[
        str | None, typer.Option(help="failed: annotate failed documents and unreadable files again")
    ] = None,
    follow: Annotated[
        float | None,
        typer.Option(help="Keep running, and look for new files every so many seconds, until SIGTERM or Ctrl-C"),
    ] = None,
    max_failures: Annotated[
        str | None, typer.Option(help="Stop a batch with more failed documents, such as 100 or 5%; default: 10%")
    ] = None,
    batch_bytes: Annotated[
        str | None, typer.Option(help="Input taken in one batch, such as 500MB; default: 4GiB")
    ] = None,
    file_bytes: Annotated[
        str | None, typer.Option(help="Size that the tables' files aim at, such as 64MB; default: 128MiB")
    ] = None,
    database: Annotated[str | None, typer.Option(help="Register the tables and views in this database")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N; default: auto")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, bf16 or fp32; default: auto")] = None,
) -> None:
    """Find medications in clinical records written in Spanish, English and Italian, and diseases in Spanish ones.

    Writes OUTPUT/documents (one row per input row, whatever became of it), OUTPUT/spans (one row per mention,
    partitioned by language and entity type) and OUTPUT/run.json. Run it again, after any end: it reads only what is
    new. Mentions include negated ones ("no fever").

    Exit codes: 0 done, 1 a defect or Spark's own failure, 2 wrong arguments or input, 3 another run holds the output,
    4 the rows written are not the input's, 5 too many documents failed, 130 interrupted (Ctrl-C).
    """
    options = {
        "input_format": input_format,
        "preset": preset,
        "encoding": encoding,
        "id_column": id_column,
        "text_column": text_column,
        "language_column": language_column,
        "language": language,
        "keep": keep or None,
        "skip_unchanged": skip_unchanged,
        "max_failures": max_failures,
        "batch_bytes": batch_bytes,
        "file_bytes": file_bytes,
        "device": device,
        "precision": precision,
    }
    _refuse_contradictions(input_path, table, retry, follow)
    with errors_as_exit():
        settings = read_settings(config, {key: value for key, value in options.items() if value is not None})
        check_name(database)
        with session("cardio-ner annotate", database=database, table=table) as spark:
            if follow is None:
                quiet_on_interrupt(spark, "what is committed stays; the same command goes on from there")
            account = annotate(
                spark,
                str(input_path if table is None else table),
                output,
                settings,
                is_table=table is not None,
                follow_seconds=follow,
                retry=retry is not None,
                database=database,
                stop=stop_on_signals(spark) if follow is not None else None,
                log=lambda line: typer.echo(line, err=True),
            )
        typer.echo(account)


def _refuse_contradictions(input_path: str | None, table: str | None, retry: str | None, follow: float | None) -> None:
    if (input_path is None) == (table is None):
        raise typer.BadParameter("expected one of --input and --table")
    if retry not in (None, "failed"):
        raise typer.BadParameter(f"{retry!r}: expected failed", param_hint="--retry")
    if follow is not None and (table is not None or retry is not None or not LEAST_SECONDS <= follow < inf):
        raise typer.BadParameter("expected a number of seconds, with --input, without --retry", param_hint="--follow")


if __name__ == "__main__":
    app()
