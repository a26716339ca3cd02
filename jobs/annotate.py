"""Find diseases and medications in clinical records: spark-submit jobs/annotate.py --input notes/ --output out/"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pyspark.sql import SparkSession

from cardio_ner.errors import CardioNerError
from cardio_ner.spark.pipeline import annotate
from cardio_ner.spark.settings import read_settings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    input_path: Annotated[
        str,
        typer.Option(
            "--input", help="Parquet, JSON lines, CSV, a folder of .txt files or a brat folder; any Hadoop path"
        ),
    ],
    output: Annotated[str, typer.Option(help="Folder for the tables: output/documents and output/spans")],
    config: Annotated[
        Path | None, typer.Option(help="YAML settings such as conf/annotate.yaml; options below win")
    ] = None,
    input_format: Annotated[
        str | None, typer.Option("--format", help="parquet, jsonl, csv, text or brat; default: by the file names")
    ] = None,
    id_column: Annotated[str | None, typer.Option(help="Column with the record's identifier [default: doc_id]")] = None,
    text_column: Annotated[str | None, typer.Option(help="Column with the record's text [default: text]")] = None,
    language_column: Annotated[
        str | None, typer.Option(help="Column with es, en or it; rows without are detected [default: language]")
    ] = None,
    language: Annotated[str | None, typer.Option(help="Language of every record: es, en or it")] = None,
    keep: Annotated[list[str] | None, typer.Option(help="Column to carry into the documents table; repeatable")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N [default: auto]")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, bf16 or fp32 [default: auto]")] = None,
) -> None:
    """Find diseases and medications in clinical records written in Spanish, English and Italian.

    Writes OUTPUT/documents (one row per input row, whatever became of it) and OUTPUT/spans (one row per mention,
    partitioned by language and entity type). Mentions include negated ones ("no fever").
    """
    options = {
        "format": input_format,
        "id_column": id_column,
        "text_column": text_column,
        "language_column": language_column,
        "language": language,
        "keep": keep or None,
        "device": device,
        "precision": precision,
    }
    spark = None
    try:
        settings = read_settings(config, {key: value for key, value in options.items() if value is not None})
        spark = SparkSession.builder.appName("cardio-ner annotate").getOrCreate()
        typer.echo(annotate(spark, input_path, output, settings))
    except CardioNerError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    finally:
        if spark is not None:
            spark.stop()


if __name__ == "__main__":
    app()
