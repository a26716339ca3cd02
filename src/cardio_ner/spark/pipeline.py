"""One run of the job, from arguments to account.

    checks ─► lock ─► recover, sweep ─► stream of files (or chunks of a table) ─► catch_up ─► account, run.json

Contract: whatever is wrong with settings, checkpoints, input or output raises CardioNerError before a row is read. The
same call again goes on where a run ended, however it ended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.types import DataType

from cardio_ner.errors import ConfigError, InputError
from cardio_ner.spark.account import RunAccount
from cardio_ner.spark.batch import Job
from cardio_ner.spark.catalog import check_name, register_database
from cardio_ner.spark.compact import recover
from cardio_ner.spark.hadoop import qualified, write_text
from cardio_ner.spark.ledger import Ledger, sweep
from cardio_ner.spark.lock import output_lock
from cardio_ner.spark.progress import Meter
from cardio_ner.spark.settings import Settings, open_models, stream_of
from cardio_ner.spark.source import FileSource, Source, open_source, open_table
from cardio_ner.spark.stream import catch_up, retry_failed, run_stream, run_table
from cardio_ner.spark.tables import kept_columns

ARROW_RECORDS_PER_BATCH = 256
"""Many long notes in one Arrow batch would have to fit in a worker's memory together."""
ACCOUNT = "run.json"
_LOGGER = logging.getLogger(__name__)


def annotate(
    spark: SparkSession,
    input_path: str,
    output: str,
    settings: Settings,
    *,
    is_table: bool = False,
    follow_seconds: float | None = None,
    retry: bool = False,
    database: str | None = None,
    log: Callable[[str], None] = _LOGGER.warning,
) -> RunAccount:
    """Annotate what is new at `input_path` (a path, or the name of a table) into the tables under `output`."""
    started, clock = datetime.now(UTC), time.monotonic()
    check_name(database)
    models = open_models(settings)
    configure(spark, settings)
    source = open_table(spark, input_path, settings) if is_table else open_source(spark, input_path, settings)
    output = qualified(spark, output)
    _check_output(spark, source, output)
    stream = stream_of(source.name, settings, models)
    with output_lock(spark, output) as lock:
        recover(spark, output)
        sweep(spark, output)
        ledger = Ledger.read(spark, output, stream)
        total = source.n_bytes(ledger.left(source.listing()))
        with Meter(spark, total) as meter:
            job = Job(spark, source, output, source.settings, models, stream, log, lock.check, meter)
            _run(job, ledger, follow_seconds=follow_seconds, retry=retry)
        facts = _facts(job, started)
        account = RunAccount(job.accounts, time.monotonic() - clock, facts)
        write_text(spark, f"{output}/{ACCOUNT}", account.as_json() + "\n")
        if database is not None:
            register_database(spark, output, database)
    return account


def _run(job: Job, ledger: Ledger, *, follow_seconds: float | None, retry: bool) -> None:
    if not isinstance(job.source, FileSource):
        run_table(job, ledger)
        return
    run_stream(job, ledger, follow_seconds=follow_seconds)
    catch_up(job, ledger)
    if retry:
        retry_failed(job)


def configure(spark: SparkSession, settings: Settings) -> None:
    """What the job needs of the session, whoever made it."""
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", ARROW_RECORDS_PER_BATCH)
    spark.conf.set("spark.sql.adaptive.advisoryPartitionSizeInBytes", int(settings.file_bytes))
    spark.conf.set("spark.sql.files.ignoreCorruptFiles", False)
    spark.conf.set("spark.sql.files.ignoreMissingFiles", False)
    # Spark 4 knows eight encodings by itself, and fails on the first bad byte.
    spark.conf.set("spark.sql.legacy.javaCharsets", settings.encoding is not None)
    spark.conf.set("spark.sql.legacy.codingErrorAction", settings.encoding is not None)


def _check_output(spark: SparkSession, source: Source, output: str) -> None:
    """The output must not be read as input, and its documents table must be able to take the kept columns."""
    if isinstance(source, FileSource) and f"{output}/".startswith(f"{source.root}/"):
        raise InputError(f"{output}: lies inside the input {source.root}: expected a folder outside it")
    columns = kept_columns(spark, output) if source.settings.keep else []
    there: dict[str, DataType] = {field.name: field.dataType for field in columns}
    for name in source.settings.keep:
        here, before = source.schema[name].dataType, there.get(name)
        if before not in (None, here):
            raise ConfigError(
                f"--keep {name}: it is {here.simpleString()} here, and {before.simpleString()} in {output}/documents: "
                "expected the same type; use another output, or rename the column"
            )


def _facts(job: Job, started: datetime) -> dict[str, Any]:
    return {
        "input": job.source.name,
        "output": job.output,
        "stream": job.stream,
        "started": started.isoformat(timespec="seconds"),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "annotator_version": version("cardio-ner"),
        "spark": job.spark.version,
        "checkpoints": {code: model.model_id for code, model in sorted(job.models.items())},
        "settings": job.settings.model_dump(mode="json"),
    }
