"""Compaction: many committed batches become one, in files of a sensible size.

    plan ─► spans, ledger, documents of the merged batch in place ─► checked ─► mark ─► the old batches removed

Contract
- Every row of `documents` and of the ledger is kept. Of `spans`, what was found twice for one (doc_id, text_sha256,
  language, model_id) is kept once: the mentions of the latest row with that key, which alone can be asked for.
- `spans_current` and `note_nlp` answer as before at any moment (but for `batch_id`). A query of `documents` itself may
  see rows twice while the new batch and the old ones are both there.
- `source_batch` of rows that name an old batch names the merged one; so does that of an annotated row whose mentions
  were left out for those of a later row.
- Killed anywhere, `recover` undoes it (before the mark) or finishes it (after). Nothing old is removed before the mark,
  nor before who keeps a catalog has heard of the merged batch (`before_removal`): a kill leaves no table without rows.
- It holds the output's lock. Delta and Iceberg tables have compactions of their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from cardio_ner.errors import AccountError, InputError, RunError
from cardio_ner.spark.hadoop import exists, files_below, folders_in, literal, read_text, remove, write_text
from cardio_ner.spark.lock import output_lock
from cardio_ner.spark.schema import SPANS, quoted
from cardio_ner.spark.settings import digest_of
from cardio_ner.spark.spark_error import SPARK_ERRORS, name_of
from cardio_ner.spark.tables import (
    has_documents,
    put_rows,
    put_spans,
    read_documents,
    read_every_file,
    read_inputs,
    read_spans,
    remove_spans,
    remove_staging,
    write_rows,
    write_spans,
)

PLAN = "_state/compaction.json"
MARK = "_state/compaction.written"
FILE_BYTES = 128 * 1024**2
KEY = ["doc_id", "text_sha256", "language", "model_id"]
_SUPERSEDED = "_cardio_ner_superseded"
"""No name that a kept column would have."""


def _nothing() -> None:
    """What is done before the removal where no catalog has the output."""


@dataclass(frozen=True, slots=True)
class Compaction:
    """The batch that was made, of which batches, and the tables' files before and after."""

    batch_id: str
    merges: tuple[str, ...]
    n_files_before: int = 0
    n_files: int = 0

    def __str__(self) -> str:
        return f"{len(self.merges)} batches are now {self.batch_id}: {self.n_files_before} files became {self.n_files}"


def compact(
    spark: SparkSession, output: str, *, file_bytes: int = FILE_BYTES, before_removal: Callable[[], None] = _nothing
) -> Compaction | None:
    """Merge the committed batches of an output; None where there are not two. Raises InputError where there is nothing
    to compact or another format does it, LockError where a run holds the output, AccountError (and leaves all as it
    was) where a row would be lost."""
    _check_output(spark, output)
    read_every_file(spark)
    with output_lock(spark, output) as lock:
        recover(spark, output, before_removal)
        merges = tuple(name.removeprefix("batch_id=") for name in folders_in(spark, f"{output}/documents"))
        if len(merges) < 2:  # noqa: PLR2004
            return None
        plan = Compaction(_id_of(merges), merges)
        before = _count_files(spark, output)
        write_text(spark, f"{output}/{PLAN}", json.dumps({"batch_id": plan.batch_id, "merges": plan.merges}))
        spark.conf.set("spark.sql.adaptive.advisoryPartitionSizeInBytes", file_bytes)
        try:
            _write(spark, output, plan, before_commit=lock.check)
            _check_rows(spark, output, plan)
        except SPARK_ERRORS as error:
            raise RunError(
                f"{output}: stopped ({name_of(error)}): expected tables whose files can all be read; nothing was "
                "removed. Of a broken file `cardio-ner query` tells the name"
            ) from None
        lock.check()
        write_text(spark, f"{output}/{MARK}", plan.batch_id)
        _finish(spark, output, plan, before_removal)
    return Compaction(plan.batch_id, plan.merges, before, _count_files(spark, output))


def recover(spark: SparkSession, output: str, before_removal: Callable[[], None] = _nothing) -> bool:
    """Undo or finish a compaction that was killed; was there one? For a run that holds the lock, before it reads
    tables."""
    told = read_text(spark, f"{output}/{PLAN}")
    if told is None:
        remove(spark, literal(f"{output}/{MARK}"))
        return False
    marked = exists(spark, f"{output}/{MARK}")
    try:
        plan = json.loads(told)
    except ValueError:  # cut short, as by a lost power supply: written whole before anything else is done
        if marked:
            raise RunError(f"{output}/{PLAN}: cut short: expected the plan of a compaction; restore it") from None
        remove(spark, literal(f"{output}/{PLAN}"))
        return False
    known = Compaction(plan["batch_id"], tuple(plan["merges"]))
    if marked:
        _finish(spark, output, known, before_removal)
    else:
        _undo(spark, output, known)
    return True


def is_half_done(spark: SparkSession, output: str) -> bool:
    """Was a compaction killed that `recover` will finish? Its rows are those of the merged batch then."""
    return exists(spark, f"{output}/{PLAN}") and exists(spark, f"{output}/{MARK}")


def _check_output(spark: SparkSession, output: str) -> None:
    if not has_documents(spark, output):
        raise InputError(f"{output}: no documents table: expected the --output folder of a finished run")
    for folder, remedy in (("_delta_log", "OPTIMIZE"), ("metadata", "rewrite_data_files")):
        if exists(spark, f"{output}/documents/{folder}"):
            raise InputError(
                f"{output}: not plain Parquet (documents/{folder}): expected the tables' own {remedy} to compact it"
            )


def _id_of(merges: tuple[str, ...]) -> str:
    """`c<digest of the batches>-<number>`: the number counts the compactions of compactions."""
    earlier = [int(found[1]) for name in merges if (found := re.fullmatch(r"c\w+-(\d+)", name))]
    return f"c{digest_of(merges)}-{max(earlier, default=-1) + 1}"


def _write(spark: SparkSession, output: str, plan: Compaction, *, before_commit: Callable[[], None]) -> None:
    """Put the merged batch in place beside the old ones, documents last."""
    old = F.col("batch_id").isin(*plan.merges)
    documents = read_documents(spark, output).where(old)
    superseded = _superseded(documents, plan)
    spans = read_spans(spark, output).where(old).join(superseded, [*KEY, "batch_id"], "left_anti")
    write_spans(spans.select(*SPANS.names[:-1]), output, plan.batch_id)
    tables = ["documents"]
    if exists(spark, f"{output}/inputs"):
        tables.insert(0, "inputs")
        ledger = read_inputs(spark, output).where(old).drop("batch_id").hint("rebalance")
        write_rows(ledger, "inputs", output, plan.batch_id)
    marked = documents.join(superseded.withColumn(_SUPERSEDED, F.lit(True)), [*KEY, "batch_id"], "left")
    moves = F.col("source_batch").isin(*plan.merges) | ((F.col("status") == "annotated") & F.col(_SUPERSEDED))
    rows = marked.withColumn("source_batch", F.when(moves, F.lit(plan.batch_id)).otherwise(F.col("source_batch")))
    columns = [quoted(name) for name in documents.columns if name != "batch_id"]
    write_rows(rows.selectExpr(*columns).hint("rebalance"), "documents", output, plan.batch_id)
    before_commit()  # writing may have taken minutes
    put_spans(spark, output, plan.batch_id)
    for table in tables:
        put_rows(spark, table, output, plan.batch_id)


def _superseded(documents: DataFrame, plan: Compaction) -> DataFrame:
    """The (key, batch_id) whose mentions are left out: the latest row with the key, in the order of views.sql, has
    those of another batch."""
    source = F.coalesce("source_batch", "batch_id")
    keyed = documents.where("status IN ('annotated', 'unchanged') AND doc_id IS NOT NULL").withColumn("source", source)
    order = F.struct("annotated_at", "source_modified_at", F.col("status") == "annotated", "source")
    latest = (
        keyed.where(F.col("source").isin(*plan.merges))
        .groupBy(*KEY)
        .agg(
            F.max_by("source", order).alias("kept"),
            F.count_if((F.col("status") == "annotated") & F.col("source_batch").isNull()).alias("n_copies"),
        )
        .where("n_copies > 1")
    )
    copies = keyed.where("status = 'annotated' AND source_batch IS NULL").select(*KEY, "batch_id").distinct()
    return copies.join(latest, KEY).where("batch_id != kept").select(*KEY, "batch_id")


def _check_rows(spark: SparkSession, output: str, plan: Compaction) -> None:
    """Raises AccountError, all undone, unless the merged batch has the old rows and the mentions that they count."""
    documents = read_documents(spark, output)
    merged = F.col("batch_id") == plan.batch_id
    n_before = documents.where(F.col("batch_id").isin(*plan.merges)).count()
    told = (
        documents.where(merged)
        .agg(
            F.count("*").alias("n_rows"),
            F.sum(F.when((F.col("status") == "annotated") & F.col("source_batch").isNull(), F.col("n_spans"))).alias(
                "n"
            ),
        )
        .collect()[0]
    )
    n_spans = read_spans(spark, output).where(merged).count()
    if (told["n_rows"], told["n"] or 0) != (n_before, n_spans):
        _undo(spark, output, plan)
        raise AccountError(
            f"{output}: compaction wrote {told['n_rows']} of {n_before} documents and {n_spans} of {told['n'] or 0} "
            "mentions: expected all; the tables are as they were"
        )


def _finish(spark: SparkSession, output: str, plan: Compaction, before_removal: Callable[[], None]) -> None:
    """Remove the old batches, documents first, so that no row is left that asks for removed mentions. The mark outlives
    the plan: a plan without it would be undone."""
    before_removal()
    for batch_id in plan.merges:
        remove(spark, literal(f"{output}/documents/batch_id={batch_id}"))
    for batch_id in plan.merges:
        remove_spans(spark, output, batch_id)
        remove(spark, literal(f"{output}/inputs/batch_id={batch_id}"))
    remove_staging(spark, output, plan.batch_id)
    remove(spark, literal(f"{output}/{PLAN}"))
    remove(spark, literal(f"{output}/{MARK}"))


def _undo(spark: SparkSession, output: str, plan: Compaction) -> None:
    """Remove the merged batch, documents first."""
    remove(spark, literal(f"{output}/documents/batch_id={plan.batch_id}"))
    remove_spans(spark, output, plan.batch_id)
    remove(spark, literal(f"{output}/inputs/batch_id={plan.batch_id}"))
    remove_staging(spark, output, plan.batch_id)
    remove(spark, literal(f"{output}/{PLAN}"))


def _count_files(spark: SparkSession, output: str) -> int:
    tables = (f"{output}/documents", f"{output}/spans")
    return sum(1 for table in tables if exists(spark, table) for _ in files_below(spark, table))
