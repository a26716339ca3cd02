"""Merge the batches of an output: spark-submit jobs/compact.py --output out/"""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer
from pydantic import ByteSize, Field, TypeAdapter, ValidationError
from pyspark.sql import SparkSession

from cardio_ner.errors import ConfigError, errors_as_exit
from cardio_ner.spark.catalog import check_name, databases_of, register_database
from cardio_ner.spark.compact import FILE_BYTES, compact
from cardio_ner.spark.session import session
from cardio_ner.spark.stopping import quiet_on_interrupt
from cardio_ner.spark.tables import has_documents, output_folder

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    output: Annotated[str, typer.Option(help="The --output folder of jobs/annotate.py")],
    file_bytes: Annotated[
        str, typer.Option(help="Size that the tables' files aim at, such as 64MB")
    ] = f"{FILE_BYTES // 2**20}MiB",
    database: Annotated[str | None, typer.Option(help="Refresh the tables and views in this database")] = None,
) -> None:
    """Merge all batches of an output into one, in files of a sensible size.

    Every row of documents is kept, mentions found twice are kept once, and spans_current and note_nlp answer as before.
    Stop it at any moment: the next run or compaction undoes or finishes it. Queries that are reading files which it
    removes fail, and are asked again.

    Exit codes: 0 done, 1 a defect or Spark's own failure, 2 wrong arguments, 3 a run holds the output, 4 a row would
    have been lost (all is as it was), 130 interrupted (Ctrl-C).
    """
    with errors_as_exit():
        aim = _bytes_of(file_bytes)
        check_name(database)
        with session("cardio-ner compact", database=database) as spark:
            quiet_on_interrupt(spark, "every row is there; the next compaction or run undoes this one or finishes it")
            folder = output_folder(spark, output)
            databases = databases_of(spark, folder, database) if has_documents(spark, folder) else []
            register = partial(_register, spark, folder, databases)
            register()  # what cannot be done after the work must not be found then
            made = compact(spark, folder, file_bytes=aim, before_removal=register)
            register()
        typer.echo(made or "one batch: nothing to merge")


def _register(spark: SparkSession, folder: str, databases: list[str]) -> None:
    for name in databases:
        register_database(spark, folder, name)


def _bytes_of(text: str) -> int:
    try:
        return int(TypeAdapter(Annotated[ByteSize, Field(ge=1024, le=2**40)]).validate_python(text))
    except ValidationError:
        raise ConfigError(f"--file-bytes {text!r}: expected a size of 1 KiB to 1 TiB, such as 64MB") from None


if __name__ == "__main__":
    app()
