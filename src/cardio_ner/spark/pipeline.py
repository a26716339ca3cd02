"""One run of the job, from arguments to account.

    checks ─► lock ─► recover, sweep ─► stream of files (or chunks of a table) ─► catch_up ─► account, run.json
                                  (catch_up comes first where files were overwritten: the older text before the newer)

Contract: whatever is wrong with settings, checkpoints, input or output raises CardioNerError before a row is read. The
same call again goes on where a run ended, however it ended; run.json has what was committed and how it ended.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.types import StructField

from cardio_ner.errors import ConfigError, InputError, NoFileError
from cardio_ner.spark.account import RunAccount
from cardio_ner.spark.catalog import check_name, databases_of, register_database
from cardio_ner.spark.compact import is_half_done, recover
from cardio_ner.spark.hadoop import File, lacks_letters, make_folder
from cardio_ner.spark.job import Job
from cardio_ner.spark.ledger import Ledger, sweep
from cardio_ner.spark.lock import output_lock
from cardio_ner.spark.progress import Meter
from cardio_ner.spark.running import Running
from cardio_ner.spark.settings import Model, Settings, family_of, open_models, stream_of
from cardio_ner.spark.source import FileSource, Source, open_source, open_table
from cardio_ner.spark.spark_error import SPARK_ERRORS, name_of
from cardio_ner.spark.stopping import Stopped, WatchedLedger, stream_stops
from cardio_ner.spark.stream import catch_up, retry_failed, run_stream, run_table
from cardio_ner.spark.tables import OWN_FOLDERS, kept_columns, output_folder, read_every_file, strangers, unusable

ARROW_RECORDS_PER_BATCH = 256
"""Many long notes in one Arrow batch would have to fit in a worker's memory together."""
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
    stop: threading.Event | None = None,
    log: Callable[[str], None] = _LOGGER.warning,
) -> RunAccount:
    """Annotate what is new at `input_path` (a path, or the name of a table) into the tables under `output`. Where
    `stop` is set meanwhile, the run ends after the batch in progress."""
    started, clock, stop = datetime.now(UTC), time.monotonic(), stop or threading.Event()
    wait = None if follow_seconds is None else partial(stop.wait, follow_seconds)
    check_name(database)
    models = open_models(settings)
    configure(spark, settings)
    _check_letters(spark, input_path, settings)
    source = open_table(spark, input_path, settings) if is_table else _opened(spark, input_path, settings, wait, log)
    output = output_folder(spark, output)
    _check_output(spark, source, output)
    _make(spark, output)
    stream, family = stream_of(source.name, settings, models), family_of(source.name, source.settings)
    with output_lock(spark, output) as lock:
        facts = _facts(source, output, stream, models)
        run = Running(spark, output, lock, facts, database, started=started, clock=clock)
        run.register()  # a database that cannot be had is known before any work, and run.json stays as it was
        databases = _databases(run)
        with run.told_if_it_fails():
            seen = _begin(run, stream, family, databases)
            tell = run.tell_and_register if follow_seconds else run.tell
            ledger = WatchedLedger(seen.seen, stop, tell)
            left = seen.left(source.listing())
            with Meter(spark, source.n_bytes(left)) as meter:
                job = Job(
                    spark, source, output, source.settings, models, stream, family, log, lock.check, meter, run.batches
                )
                _run(job, ledger, left, follow_seconds=follow_seconds, retry=retry)
            run.register()
            return run.tell("stopped" if ledger.stop.is_set() else "done")


def _opened(
    spark: SparkSession, path: str, settings: Settings, wait: Callable[[], bool] | None, log: Callable[[str], None]
) -> Source:
    """The files at a path; where one may come yet, `wait` is called until there is one, or until it says to stop.
    Raises InputError."""
    said = stopped = False
    while True:
        try:
            return open_source(spark, path, settings)
        except NoFileError as error:
            if wait is None or stopped:
                raise
            if not said:
                log(f"{error}; waiting for the first one")
        said, stopped = True, wait()


def _databases(run: Running) -> list[str]:
    """The databases to register again where a compaction that was killed is ended. Raises ConfigError where one that is
    to be finished has left databases, and none was named."""
    if is_half_done(run.spark, run.output):
        return databases_of(run.spark, run.output, run.database)
    return [] if run.database is None else [run.database]


def _begin(run: Running, stream: str, family: str, databases: Sequence[str]) -> Ledger:
    """Leave no trace of runs that were killed, and say what is done already."""
    run.tell()

    def register() -> None:
        for name in databases:
            register_database(run.spark, run.output, name)

    if recover(run.spark, run.output, register):
        register()  # what they had before has gone
    sweep(run.spark, run.output)
    return Ledger.read(run.spark, run.output, stream, family)


def _run(job: Job, ledger: WatchedLedger, left: Sequence[File], *, follow_seconds: float | None, retry: bool) -> None:
    with suppress(Stopped):
        if not isinstance(job.source, FileSource):
            run_table(job, ledger)
            return
        if any(file.path in ledger.seen for file in left):
            # The stream does not see files that were overwritten: what is newer would be read before them, and an old
            # text would be the current one.
            catch_up(job, ledger)
        with stream_stops(job.spark, f"{job.output}/_state/stream-{job.stream}", ledger):
            run_stream(job, ledger, follow_seconds=follow_seconds)
        catch_up(job, ledger)
        if retry:
            retry_failed(job)


def configure(spark: SparkSession, settings: Settings) -> None:
    """What the job needs of the session, whoever made it."""
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", ARROW_RECORDS_PER_BATCH)
    spark.conf.set("spark.sql.adaptive.advisoryPartitionSizeInBytes", int(settings.file_bytes))
    # The names of folders are text: a ward 04 beside a ward 4A is no number, nor is 007 a 7.
    spark.conf.set("spark.sql.sources.partitionColumnTypeInference.enabled", False)
    # pandas writes nanoseconds, which Spark has no type for: a number, and not a file that cannot be read.
    spark.conf.set("spark.sql.legacy.parquet.nanosAsLong", True)
    # ... and a column of nulls alone without a type, which Spark would take for an integer: another file tells it.
    spark.conf.set("spark.sql.parquet.reader.respectUnknownTypeAnnotation.enabled", True)
    read_every_file(spark)
    spark.conf.set("spark.sql.timestampType", "TIMESTAMP_LTZ")
    # Spark 4 knows eight encodings by itself, and fails on the first bad byte.
    spark.conf.set("spark.sql.legacy.javaCharsets", settings.encoding is not None)
    spark.conf.set("spark.sql.legacy.codingErrorAction", settings.encoding is not None)


def _check_letters(spark: SparkSession, input_path: str, settings: Settings) -> None:
    """Raises ConfigError for a name that spark-submit has passed on without its letters: there is no such column, and a
    language column that is absent would be no error."""
    names = (input_path, settings.id_column, settings.text_column, settings.language_column or "", *settings.keep)
    lost = next((name for name in names if set(name) & set("?\ufffd")), None)
    if lost is not None and (encoding := lacks_letters(spark)):
        raise ConfigError(
            f"{lost}: a name that has lost letters which Java's locale ({encoding}) lacks: expected a locale of UTF-8: "
            "set LC_ALL=C.UTF-8 and run again"
        )


def _make(spark: SparkSession, output: str) -> None:
    """Raises InputError where there cannot be such a folder."""
    try:
        if not make_folder(spark, output):
            raise unusable(output, "it cannot be made")
    except SPARK_ERRORS as error:
        raise unusable(output, name_of(error)) from None


def _check_output(spark: SparkSession, source: Source, output: str) -> None:
    """The output must not be read as input, must hold nobody else's files where the tables go, for what a killed run
    left there is removed, and its documents table must be able to take the kept columns."""
    if isinstance(source, FileSource):
        if f"{output}/".startswith(f"{source.root}/"):
            raise InputError(f"{output}: lies inside the input {source.root}: expected a folder outside it")
        if own := next((name for name in OWN_FOLDERS if f"{source.root}/".startswith(f"{output}/{name}/")), None):
            raise InputError(
                f"{source.root}: lies in {output}/{own}, a folder of the output's: expected another output"
            )
    if found := strangers(spark, output):
        raise InputError(
            f"{output}: {found[0]} in it is of no run of this job: expected a folder of its own for the output"
        )
    columns = kept_columns(spark, output) if source.settings.keep else []
    there: dict[str, StructField] = {field.name.casefold(): field for field in columns}
    for name in source.settings.keep:
        here, field = source.schema[name].dataType, there.get(name.casefold())
        before = field and field.dataType
        if field and field.name != name:  # Spark tells no Ward from ward
            raise ConfigError(f"--keep {name}: {output}/documents spells it {field.name}: rename the column in a view")
        if before and before.simpleString() != here.simpleString():  # but for what may be null within
            raise ConfigError(
                f"--keep {name}: it is {here.simpleString()} here, and {before.simpleString()} in {output}/documents: "
                "expected the same type; use another output, or rename the column"
            )


def _facts(source: Source, output: str, stream: str, models: dict[str, Model]) -> dict[str, Any]:
    return {
        "input": source.name,
        "output": output,
        "stream": stream,
        "annotator_version": version("cardio-ner"),
        "spark": source.spark.version,
        "checkpoints": {code: model.model_id for code, model in sorted(models.items())},
        "settings": source.settings.model_dump(mode="json"),
    }
