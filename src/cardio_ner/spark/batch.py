"""One batch, exactly once: pieces of the input in, committed rows in the tables out.

    counts ─► rows ─► known? ─► annotation_udf ─► staging ─► account ─► spans ─► ledger ─► documents

Contract
- Run again after any end, a batch's partitions are written anew. A committed batch must not be run again: its callers
  look (`tables.is_committed`), for what it holds would be taken for known and its mentions removed.
- An attempt is written down before it starts. Where an earlier one did not finish, of this run or of one that was
  killed, documents are tagged in child processes: one that kills its worker costs its own row. After MAX_ATTEMPTS the
  run stops with FailureError.
- A file that cannot be read to its end costs one row (`unreadable_file`); the other files of its batch are read.
- Nothing is committed unless the rows staged are the rows that the independent reader counted (AccountError), and no
  more rows failed than allowed (FailureError); rows that are retried had failed before, and may again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from math import ceil

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, StructField, StructType

from cardio_ner.errors import AccountError, FailureError
from cardio_ner.spark.account import BatchAccount, account_of
from cardio_ner.spark.counts import Counts
from cardio_ner.spark.failures import UnequalReaders, find_unreadable, name_of, raise_if_hopeless, unequal_files
from cardio_ner.spark.hadoop import File, literal, read_text, remove, write_text
from cardio_ner.spark.known import KNOWN, mark_copies, mark_known
from cardio_ner.spark.progress import Meter
from cardio_ner.spark.schema import DOCUMENTS, MENTION
from cardio_ner.spark.settings import Model, Settings
from cardio_ner.spark.source import Source
from cardio_ner.spark.tables import (
    has_documents,
    remove_staging,
    stage,
    write_documents,
    write_inputs,
    write_spans,
)
from cardio_ner.spark.udf import annotation_udf

MAX_ATTEMPTS = 4
TASK_BYTES = 32 * 1024**2
"""Input bytes of one tagging task, at most: a lost task costs little, progress shows."""
ROW_BYTES = 2048
"""What a row is taken for where a file (compressed) or a table (unknown) says less: a short note."""
SMALL_BYTES = 64 * 1024
"""Input bytes worth a task of their own, as long as cores are idle."""
TASKS_PER_CORE = 4
"""At most, for evenness' sake; a batch too large for so many tasks of TASK_BYTES takes more."""

Log = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """What all batches of a run share."""

    spark: SparkSession
    source: Source
    output: str
    settings: Settings
    models: dict[str, Model]
    stream: str
    log: Log
    before_commit: Callable[[], None]
    """Called before anything is put in place; raises if this run must not write any more."""
    meter: Meter
    accounts: list[BatchAccount] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Pieces:
    """The part of the input that a batch takes. `only` (doc_id, text_sha256) restricts it to `n_only` rows; what is
    `retried` had failed before."""

    files: Sequence[File]
    only: DataFrame | None = None
    n_only: int = 0
    retried: bool = False


def write_batch(job: Job, batch_id: str, pieces: Pieces) -> None:
    """Annotate and commit one batch."""
    journal = f"{job.output}/_state/attempts/{batch_id}"
    unreadable: Counts = {}
    for attempt in range(1, MAX_ATTEMPTS + 1):
        before = read_text(job.spark, journal) or ""
        write_text(job.spark, journal, f"{before}begun {datetime.now(UTC).isoformat(timespec='seconds')}\n")
        remove_staging(job.spark, job.output, batch_id)
        try:
            _attempt(job, batch_id, pieces, unreadable, careful=bool(before))
        except UnequalReaders as error:
            unreadable |= dict.fromkeys(error.paths, "RowCountMismatch")
        except (Py4JJavaError, PySparkException) as error:
            job.log(f"batch {batch_id}: attempt {attempt} stopped: {name_of(error)}")
            raise_if_hopeless(error)
            unreadable |= find_unreadable(job.source, [f for f in pieces.files if f.path not in unreadable])
        else:
            remove_staging(job.spark, job.output, batch_id)
            remove(job.spark, literal(journal))
            return
    raise FailureError(
        f"batch {batch_id}: {MAX_ATTEMPTS} attempts did not finish it: expected one to; Spark's log says why"
    )


def _attempt(job: Job, batch_id: str, pieces: Pieces, unreadable: Counts, *, careful: bool) -> None:
    counts = job.source.counts([f for f in pieces.files if f.path not in unreadable]) | unreadable
    readable = [file for file in pieces.files if isinstance(counts[file.path], int)]
    frame = _quarantined(job, [file for file in pieces.files if isinstance(counts[file.path], str)], counts)
    job.meter.begin(_expected(counts, pieces), job.source.n_bytes(pieces.files))
    if readable:
        n_bytes = max(job.source.n_bytes(readable), ROW_BYTES * _expected(counts, pieces))
        rows = job.source.rows(readable)
        if pieces.only is not None:
            rows = rows.join(pieces.only, ["doc_id", "text_sha256"], "left_semi")
        frame = _annotate(job, rows, n_bytes=n_bytes, careful=careful).unionByName(frame)
    numbered = frame.withColumn("row_key", F.monotonically_increasing_id())
    staged = mark_copies(stage(numbered, job.output, batch_id), batch_id)
    account = account_of(staged, batch_id)
    _check(job, account, counts, pieces, readable)
    _commit(job, batch_id, staged, pieces.files, counts)
    job.accounts.append(account)
    job.meter.commit()


def _annotate(job: Job, rows: DataFrame, *, n_bytes: int, careful: bool) -> DataFrame:
    """The gated rows with the UDF's columns in place of text, spread over the cores."""
    if job.settings.skip_unchanged and has_documents(job.spark, job.output):
        rows = mark_known(rows, job.output, job.models)
    else:
        rows = rows.withColumn("known", F.lit(None).cast(KNOWN))
    n_tasks = tasks_for(n_bytes, cores=job.spark.sparkContext.defaultParallelism)
    annotation = annotation_udf(job.settings, job.models, careful=careful, progress=job.meter.counted)
    text = F.when(F.col("known").isNull(), F.col("text"))
    spread = rows.repartition(n_tasks, "doc_id", "text_sha256")
    found, known = F.col("annotation"), F.col("known")
    model_ids = F.create_map(*(F.lit(part) for code, model in job.models.items() for part in (code, model.model_id)))
    language = F.coalesce(known["language"], found["language"], F.col("language"))
    columns = {
        "language": language,
        "language_source": F.coalesce(known["language_source"], found["language_source"]),
        "status": F.coalesce(F.when(known.isNotNull(), "unchanged"), found["status"], F.lit("rejected")),
        "reason": F.coalesce(F.col("reason"), found["reason"]),
        "error_type": F.coalesce(F.col("error_type"), found["error_type"]),
        "n_tokens": found["n_tokens"],
        "model_id": F.coalesce(known["model_id"], F.when(found["status"] == "annotated", model_ids[language])),
        "source_batch": known["batch_id"],
        "spans": found["spans"],
    }
    annotated = spread.withColumn("annotation", annotation(text, F.col("language")))
    names = _staged_schema(job).names
    return annotated.select(*(columns.get(name, F.col(f"`{name}`")).alias(name) for name in names))


def tasks_for(n_bytes: int, *, cores: int) -> int:
    """How many tasks tag so many bytes: as many for each core, so that none is left with the last one alone, and a few
    where there is enough to do, since rows spread by chance are no even shares."""
    if n_bytes <= SMALL_BYTES * cores:
        return max(1, ceil(n_bytes / SMALL_BYTES))
    for_each = min(TASKS_PER_CORE, n_bytes // (SMALL_BYTES * cores))
    return max(for_each, ceil(n_bytes / (TASK_BYTES * cores))) * cores


def _quarantined(job: Job, files: Sequence[File], counts: Counts) -> DataFrame:
    """One row for each file that cannot be read; its doc_id is the path."""
    schema = _staged_schema(job)
    rows = [
        dict.fromkeys(schema.names)
        | {"doc_id": file.path, "status": "rejected", "reason": "unreadable_file", "error_type": str(counts[file.path])}
        | {"source_file": file.path, "source_modified_at": datetime.fromtimestamp(file.modified_ms / 1000, UTC)}
        for file in files
    ]
    return job.spark.createDataFrame(rows, schema)


def _check(job: Job, account: BatchAccount, counts: Counts, pieces: Pieces, readable: Sequence[File]) -> None:
    """Raises AccountError, UnequalReaders or FailureError where the batch must not be committed."""
    expected = _expected(counts, pieces)
    if account.n_rows != expected:
        disagreeing = unequal_files(job.source, readable, counts) if pieces.only is None else []
        if disagreeing:
            raise UnequalReaders(disagreeing)
        raise AccountError(
            f"batch {account.batch_id}: {account.n_rows} rows, but an independent reader counts {expected} in it: "
            "expected the same; nothing of it was committed; if the input did not change meanwhile, this is a defect"
        )
    allowed = job.settings.failures_allowed(account.n_rows)
    if account.n_failed > allowed and not pieces.retried:
        raise FailureError(
            f"batch {account.batch_id}: {account.n_failed} of {account.n_rows} rows failed "
            f"({', '.join(account.error_types)}), {allowed} may: nothing of it was committed; mend the cause, or raise "
            "--max-failures"
        )


def _expected(counts: Counts, pieces: Pieces) -> int:
    """Rows that the batch must have: those counted, and one for each file that cannot be read."""
    if pieces.only is not None:
        return pieces.n_only
    return sum(count if isinstance(count, int) else 1 for count in counts.values())


def _commit(job: Job, batch_id: str, staged: DataFrame, files: Sequence[File], counts: Counts) -> None:
    job.before_commit()
    write_spans(staged, job.output, batch_id)
    ledger: list[tuple[object, ...]] = []
    now = datetime.now(UTC)
    for file in files:
        count = counts[file.path]
        n_rows, error_type = (count, None) if isinstance(count, int) else (1, count)
        ledger.append((job.stream, file.path, file.n_bytes, file.modified_ms, n_rows, error_type, now))
    write_inputs(ledger, job.spark, job.output, batch_id)
    write_documents(
        staged, job.output, batch_id, version=version("cardio-ner"), kept=_kept(job), check=job.before_commit
    )


def _kept(job: Job) -> list[StructField]:
    return [job.source.schema[name] for name in job.settings.keep]


def _staged_schema(job: Job) -> StructType:
    """A row in staging: the documents table's columns that are known by then, kept columns, the spans."""
    later = {"n_spans", "annotator_version", "annotated_at", "batch_id"}
    own = [field for field in DOCUMENTS.fields if field.name not in later]
    return StructType([*own, *_kept(job), StructField("spans", ArrayType(MENTION))])
