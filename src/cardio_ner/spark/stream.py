"""From an input to batches: the file stream, and the pass that closes its holes.

Contract
- Files: Structured Streaming follows the *listing* (path, time, size; no content is read), Trigger.AvailableNow or,
  with `follow`, until stopped; `foreachBatch` reads the batch's own files. So a batch knows its files: it can count
  them by another reader, set aside one that is corrupt, and be read twice without running anything twice.
- Then `catch_up` compares the input's listing with the ledger and reads what the stream did not: files overwritten in
  place, empty files (Spark's listing drops them), files older than any limit, a stream whose checkpoint was lost.
- Older files are read before newer ones, overwritten ones too: of a record that two files have, the text that is read
  last is the current one. So where there are such files `catch_up` goes first, and a run that follows its input reads
  them with what the stream brings.
- Tables that cannot be streamed are read by `catch_up` alone, chunk by chunk; a pass that was interrupted goes on, and
  another one follows.
- Batch ids: `<letter><digest>-<number>`. `b`: digest of stream and streaming query, number of its batch. `r` (files
  read again, or of a trigger that has too many for one batch), `t` (chunks of a table) and `f` (failed documents):
  digest of stream and pieces, and how often these pieces were committed before. The letter keeps readers from taking
  the value for a number.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any

from py4j.protocol import Py4JNetworkError
from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery
from pyspark.sql.types import LongType, StringType, StructField, StructType

from cardio_ner.errors import RunError
from cardio_ner.spark.account import FAILURES
from cardio_ner.spark.batch import write_batch
from cardio_ner.spark.hadoop import File, literal, names_in, read_text, remove, write_text
from cardio_ner.spark.job import Job, Pieces
from cardio_ner.spark.ledger import Ledger, in_batches
from cardio_ner.spark.settings import digest_of
from cardio_ner.spark.source import FileSource, TableSource
from cardio_ner.spark.spark_error import SPARK_ERRORS, SparkError, name_of
from cardio_ner.spark.tables import is_committed, read_documents, read_inputs

LISTING = "path string, modificationTime timestamp_ltz, length long, content binary"
ANY_AGE = "36500d"
_FILE_KEY = StructType([StructField("path", StringType()), StructField("modified_ms", LongType())])
CATCH_UP_SECONDS = 600
"""How often a run that follows its input looks for what the stream does not see."""


def run_stream(job: Job, ledger: Ledger, *, follow_seconds: float | None = None) -> None:
    """Annotate what the stream brings; returns when there is no more, or never where it follows."""
    checkpoint = _checkpoint_of(job)
    one_at_a_time = threading.Lock()
    over = threading.Event()
    failures: list[BaseException] = []

    def before_commit() -> None:
        if over.is_set():
            raise RunError("the run was interrupted: expected to end the batch; run again")
        job.before_commit()

    streamed = replace(job, before_commit=before_commit)

    def annotate_listing(listing: DataFrame, number: int) -> None:
        try:
            with one_at_a_time:
                _annotate_listing(streamed, ledger, checkpoint, listing, number, follows=follow_seconds is not None)
        except BaseException as error:  # noqa: BLE001  a KeyboardInterrupt too belongs to the run
            failures.append(error)
            # Py4J and Spark log what is raised here, traceback and all: the error itself is raised by the run.
            raise RuntimeError("the batch stopped; see the run's own error") from None

    writer = _listing_stream(job).writeStream.foreachBatch(annotate_listing).option("checkpointLocation", checkpoint)
    every = None if follow_seconds is None else f"{round(1000 * follow_seconds)} milliseconds"
    try:
        query = (writer.trigger(processingTime=every) if every else writer.trigger(availableNow=True)).start()
    except SPARK_ERRORS as error:
        raise _stopped(checkpoint, error) from None
    try:
        if follow_seconds is None:
            query.awaitTermination()
        while follow_seconds is not None and not query.awaitTermination(CATCH_UP_SECONDS):
            with one_at_a_time:
                catch_up(job, ledger)
    except StreamingQueryException as error:
        if failures:
            raise failures[0] from None
        raise _stopped(checkpoint, error) from None
    finally:
        over.set()  # it waits for a batch in progress, which must not be tried again
        _stop(query)


def _stop(query: StreamingQuery) -> None:
    """End the query. Where Ctrl-C has broken the line to Java off, now and then the next one comes to nothing, too, and
    what that raises would take the place of the interrupt."""
    try:
        query.stop()
    except Py4JNetworkError:
        query.stop()


def _checkpoint_of(job: Job) -> str:
    """Where Spark keeps the stream. What a kill or a full disk left of one that never came to a batch is removed: Spark
    would refuse it from then on."""
    checkpoint = f"{job.output}/_state/stream-{job.stream}"
    if not names_in(job.spark, f"{checkpoint}/offsets"):  # half-written ones are hidden
        remove(job.spark, literal(checkpoint))
    return checkpoint


def _stopped(checkpoint: str, error: SparkError) -> RunError:
    return RunError(
        f"{checkpoint}: the stream stopped by itself ({name_of(error)}): expected a streaming checkpoint of this input "
        "that may be written, and room on its disk; mend it, or remove the folder (what is done is known from the "
        "tables), and run again"
    )


def catch_up(job: Job, ledger: Ledger) -> None:
    """Annotate whatever is in the input and not in the ledger."""
    left = ledger.left(job.source.listing())
    if isinstance(job.source, FileSource):
        letter, batches = "r", list(in_batches(left, int(job.settings.batch_bytes)))
    else:
        letter, batches = "t", [[chunk] for chunk in left]
    for files in batches:
        ledger.begin()
        write_batch(job, _id_of(letter, job, files), Pieces(files))
        ledger.add(files)


def run_table(job: Job, ledger: Ledger) -> None:
    """Annotate a table chunk by chunk. A pass that was interrupted goes on with the chunks that it had, and another one
    follows: the table may have changed since, and a run has read it as it is."""
    while _pass_over_table(job, ledger):
        pass


def _pass_over_table(job: Job, ledger: Ledger) -> bool:
    """Begin a pass, or end one; was it begun by another run?"""
    assert isinstance(job.source, TableSource)
    state = f"{job.output}/_state/table-{job.stream}.json"
    told: dict[str, Any] | None = None
    with suppress(ValueError):  # cut short by a crash: begin anew
        told = json.loads(read_text(job.spark, state) or "null")
    resumed = told is not None
    if told is None:
        told = {"n_chunks": job.source.n_chunks, "started_ms": int(time.time() * 1000)}
        write_text(job.spark, state, json.dumps(told))
    catch_up(replace(job, source=replace(job.source, **told)), ledger)
    remove(job.spark, literal(state))
    return resumed


def retry_failed(job: Job) -> None:
    """Annotate again the documents that failed, and the files that were unreadable, of files that are as they were.
    (The others are read anyway; so are all of a table's rows.)"""
    assert isinstance(job.source, FileSource)
    here = {(file.path, file.modified_ms): file for file in job.source.listing()}
    bad = _rejected_last(job).join(job.spark.createDataFrame(list(here), _FILE_KEY), _FILE_KEY.names)
    keys = ["path", "modified_ms", "reason"]
    found = bad.groupBy(*keys).agg(F.count("*").alias("n")).orderBy(*keys).collect()
    for reason in FAILURES:
        rows = [row for row in found if row.reason == reason]
        if not rows:
            continue
        files = [here[row.path, row.modified_ms] for row in rows]
        only = (
            bad.where(F.col("reason") == reason).selectExpr("doc_id", "text_sha256", "path AS source_file").distinct()
        )
        failed = Pieces(files, only, {row.path: row.n for row in rows}, retried=True)
        pieces = failed if reason == "failed" else Pieces(files, retried=True)
        write_batch(job, _id_of("f", job, files), pieces)


def _rejected_last(job: Job) -> DataFrame:
    """The rows of documents that failed when they were last read, copies of them in the same batch and file that did
    not fail, and files that were unreadable when they were last read."""
    documents = read_documents(job.spark, job.output, with_kept=False)
    newest = documents.groupBy("doc_id").agg(F.max("annotated_at").alias("annotated_at"))
    last = documents.join(newest, ["doc_id", "annotated_at"]).withColumnRenamed("source_file", "path")
    copy_of = ["doc_id", "text_sha256", "batch_id", "path"]
    failed = last.join(last.where("reason = 'failed'").select(*copy_of).distinct(), copy_of, "left_semi")
    ledger = read_inputs(job.spark, job.output).where(F.col("stream") == job.stream)
    errors = ledger.groupBy("path").agg(F.max_by(F.struct("error_type"), "read_at").alias("latest"))
    unreadable = last.where("reason = 'unreadable_file'").join(
        errors.where("latest.error_type IS NOT NULL"), "path", "left_semi"
    )
    bad = failed.withColumn("reason", F.lit("failed")).unionByName(unreadable)
    return bad.select(*copy_of, "reason", F.unix_millis("source_modified_at").alias("modified_ms"))


def _listing_stream(job: Job) -> DataFrame:
    assert isinstance(job.source, FileSource)
    reader = job.spark.readStream.format("binaryFile").schema(LISTING).option("recursiveFileLookup", True)
    reader = reader.option("maxFileAge", ANY_AGE).option("maxBytesPerTrigger", int(job.settings.batch_bytes))
    files = reader.load(literal(job.source.root))
    return files.select("path", "length", F.unix_millis("modificationTime").alias("modified_ms"))


def _annotate_listing(
    job: Job, ledger: Ledger, checkpoint: str, listing: DataFrame, number: int, *, follows: bool
) -> None:
    assert isinstance(job.source, FileSource)
    query = json.loads(read_text(job.spark, f"{checkpoint}/metadata") or "{}")["id"]
    batch_id = f"b{digest_of([job.stream, query])}-{number}"
    if is_committed(job.spark, job.output, batch_id):
        return  # Spark's log does not say so yet; files of it that have changed since, catch_up reads
    told = [file for file in _told(job, listing) if job.source.owns(file.path)]
    if follows:  # what was overwritten since goes before what is newer; a run that ends has read it before the stream
        told = [*told, *(file for file in job.source.listing() if file.path in ledger.seen)]
    left = ledger.left({file.path: file for file in told}.values())
    batches = list(in_batches(left, int(job.settings.batch_bytes)))
    for files in batches[:-1]:  # of more files than a batch may have: the oldest first, or an old text would come last
        write_batch(job, _id_of("r", job, files), Pieces(files))
        ledger.add(files)
        ledger.begin()
    for files in batches[-1:]:
        write_batch(job, batch_id, Pieces(files))
        ledger.add(files)


def _told(job: Job, listing: DataFrame) -> list[File]:
    """The files of the stream's batch; where one of them, input or not, has gone since it was listed, all that are
    there now, which the ledger knows later."""
    try:
        return [File(row.path, row.length, row.modified_ms) for row in listing.toLocalIterator()]
    except SPARK_ERRORS as error:
        job.log(f"the stream's listing stopped ({name_of(error)}): expected files to stay; the input is listed again")
        return list(job.source.listing())


def _id_of(letter: str, job: Job, files: Sequence[File]) -> str:
    """The same pieces, the same batch: one that was killed is written over. The number counts up past batches that are
    committed: a file may come again at a size and time that it had before."""
    told = [[file.path, file.n_bytes, file.modified_ms] for file in files]
    name = f"{letter}{digest_of([job.stream, told])}"
    return next(id for n in count() if not is_committed(job.spark, job.output, id := f"{name}-{n}"))
