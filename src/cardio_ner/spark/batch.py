"""One batch, exactly once: pieces of the input in, committed rows in the tables out.

    counts ─► rows ─► known? ─► annotation_udf ─► staging ─► account, tables aside ─► spans ─► ledger ─► documents

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

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial, reduce
from importlib.metadata import version

from pyspark.sql import DataFrame

from cardio_ner.errors import AccountError, FailureError
from cardio_ner.spark.account import BatchAccount, account_of
from cardio_ner.spark.annotation import annotate_rows
from cardio_ner.spark.at_once import at_once
from cardio_ner.spark.counts import Counts
from cardio_ner.spark.failures import (
    UnequalReaders,
    find_unreadable,
    is_no_files_fault,
    raise_if_hopeless,
    unequal_files,
)
from cardio_ner.spark.hadoop import File, literal, read_text, remove, write_text
from cardio_ner.spark.job import Job, Pieces
from cardio_ner.spark.spark_error import SPARK_ERRORS, name_of
from cardio_ner.spark.tables import (
    documents_of,
    ledger_of,
    put_rows,
    put_spans,
    remove_staging,
    spans_of,
    stage,
    write_rows,
    write_spans,
)

MAX_ATTEMPTS = 4
ROW_BYTES = 2048
"""What a row is taken for where a file (compressed) or a table (unknown) says less: a short note."""


def write_batch(job: Job, batch_id: str, pieces: Pieces) -> None:
    """Annotate and commit one batch."""
    journal = f"{job.output}/_state/attempts/{batch_id}"
    unreadable: Counts = {}
    why = ""
    for attempt in range(1, MAX_ATTEMPTS + 1):
        before = read_text(job.spark, journal) or ""
        write_text(job.spark, journal, f"{before}begun {datetime.now(UTC).isoformat(timespec='seconds')}\n")
        remove_staging(job.spark, job.output, batch_id)
        try:
            _attempt(job, batch_id, pieces, unreadable, careful=bool(before))
        except UnequalReaders as error:
            why = "RowCountMismatch"
            unreadable |= dict.fromkeys(error.paths, why)
        except SPARK_ERRORS as error:
            job.before_commit()  # of a run that ends the query is cancelled: no batch's fault
            why = name_of(error)
            job.log(f"batch {batch_id}: attempt {attempt} stopped: {why}")
            raise_if_hopeless(error)
            unreadable |= find_unreadable(job.source, [f for f in pieces.files if f.path not in unreadable])
        else:
            remove_staging(job.spark, job.output, batch_id)
            remove(job.spark, literal(journal))
            return
    raise FailureError(
        f"batch {batch_id}: {MAX_ATTEMPTS} attempts did not finish it ({why}): expected one to; Spark's log says more, "
        "such as which disk is full"
    )


def _attempt(job: Job, batch_id: str, pieces: Pieces, unreadable: Counts, *, careful: bool) -> None:
    counts = job.source.counts([f for f in pieces.files if f.path not in unreadable]) | unreadable
    readable = [file for file in pieces.files if isinstance(counts[file.path], int)]
    bad = [file for file in pieces.files if isinstance(counts[file.path], str)]
    if not pieces.retried:
        _check_files(job, batch_id, [str(counts[file.path]) for file in bad], len(pieces.files))
    parts = [_quarantined(job, bad, counts)] if bad or not readable else []
    job.meter.begin(_expected(counts, pieces), job.source.n_bytes(pieces.files))
    if readable:
        n_bytes = max(job.source.n_bytes(readable), ROW_BYTES * _expected(counts, pieces))
        rows = job.source.rows(readable)
        if pieces.only is not None:
            rows = rows.join(pieces.only, ["doc_id", "text_sha256", "source_file"], "left_semi")
        parts.append(annotate_rows(job, batch_id, rows, n_bytes=n_bytes, careful=careful))
    staged = stage(reduce(DataFrame.unionByName, parts), job.output, batch_id)
    writes = _writes(job, batch_id, staged, pieces, counts)
    account, *_ = at_once(job.spark, partial(account_of, staged, batch_id), *writes)
    assert isinstance(account, BatchAccount)
    _check(job, account, counts, pieces, readable)
    _commit(job, batch_id)
    job.accounts.append(account)
    job.meter.commit()


def _quarantined(job: Job, files: Sequence[File], counts: Counts) -> DataFrame:
    """One row for each file that cannot be read; its doc_id is the path."""
    schema = job.staged
    rows = [
        dict.fromkeys(schema.names)
        | {"doc_id": file.path, "status": "rejected", "reason": "unreadable_file", "error_type": str(counts[file.path])}
        | {"source_file": file.path, "source_modified_at": datetime.fromtimestamp(file.modified_ms / 1000, UTC)}
        for file in files
    ]
    return job.spark.createDataFrame(rows, schema)


def _check_files(job: Job, batch_id: str, error_types: Sequence[str], n_files: int) -> None:
    """Raises FailureError where so many files cannot be read that the cause is not in them."""
    allowed = job.settings.files_allowed(n_files, not_theirs=all(map(is_no_files_fault, error_types)))
    if len(error_types) > allowed:
        raise FailureError(
            f"batch {batch_id}: {len(error_types)} of {n_files} files could not be read "
            f"({', '.join(sorted(set(error_types)))}), {allowed} may: nothing of it was committed; mend the cause "
            "(credentials, a store that is down), or raise --max-failures"
        )


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
    return sum(
        1 if isinstance(count, str) else count if pieces.only is None else pieces.n_only[path]
        for path, count in counts.items()
    )


def _writes(job: Job, batch_id: str, staged: DataFrame, pieces: Pieces, counts: Counts) -> Iterator[Callable[[], None]]:
    """What writes the tables aside."""
    ledger: list[tuple[object, ...]] = []
    now = datetime.now(UTC)
    for file in pieces.files:
        count = counts[file.path]
        n_rows, error_type = (count, None) if isinstance(count, int) else (1, count)
        ledger.append(
            (job.stream, file.path, file.n_bytes, file.modified_ms, n_rows, error_type, now, job.family, job.languages)
        )
    documents = documents_of(staged, version=version("cardio-ner"), kept=job.kept)
    yield partial(write_spans, spans_of(staged), job.output, batch_id)
    yield partial(write_rows, documents, "documents", job.output, batch_id)
    yield partial(write_rows, ledger_of(ledger, job.spark), "inputs", job.output, batch_id)


def _commit(job: Job, batch_id: str) -> None:
    """Put in place what was written aside, documents last."""
    job.before_commit()
    put_spans(job.spark, job.output, batch_id)
    put_rows(job.spark, "inputs", job.output, batch_id)
    job.before_commit()  # where files cannot be renamed but are copied, minutes may have passed
    put_rows(job.spark, "documents", job.output, batch_id)
