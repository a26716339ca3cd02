"""Rows as the gate let them pass → rows as they are staged: known, or tagged by the UDF in even tasks.

Contract: every row comes back once. Rows with one id and text go to one task, which tags them once (see worker.py).
"""

from __future__ import annotations

from math import ceil

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cardio_ner.spark.job import Job
from cardio_ner.spark.known import IDENTITY, KNOWN, mark_known
from cardio_ner.spark.tables import has_documents
from cardio_ner.spark.udf import annotation_udf

TASK_BYTES = 32 * 1024**2
"""Input bytes of one tagging task, at most: a lost task costs little, progress shows."""
SMALL_BYTES = 16 * 1024
"""Input bytes (of Parquet: compressed) worth a task of their own: few tasks, over which documents are spread by chance,
leave a core idle at the end, and a task costs a tenth of a second."""
TASKS_PER_CORE = 4
"""At most, for evenness' sake; a batch too large for so many tasks of TASK_BYTES takes more."""


def annotate_rows(job: Job, batch_id: str, rows: DataFrame, *, n_bytes: int, careful: bool) -> DataFrame:
    """The gated rows with the UDF's columns in place of text, spread over the cores, copies in one task."""
    if job.settings.skip_unchanged and has_documents(job.spark, job.output):
        rows = mark_known(rows, job.output, job.models)
    else:
        rows = rows.withColumn("known", F.lit(None).cast(KNOWN))
    n_tasks = tasks_for(n_bytes, cores=job.spark.sparkContext.defaultParallelism)
    annotation = annotation_udf(job.settings, job.models, careful=careful, progress=job.meter.counted)
    text = F.when(F.col("known").isNull(), F.col("text"))
    spread = rows.repartition(n_tasks, *IDENTITY)
    found, known = F.col("annotation"), F.col("known")
    is_copy = found["status"] == "unchanged"
    model_ids = F.create_map(*(F.lit(part) for code, model in job.models.items() for part in (code, model.model_id)))
    language = F.coalesce(known["language"], found["language"], F.col("language"))
    columns = {
        "language": language,
        "language_source": F.coalesce(known["language_source"], found["language_source"]),
        "status": F.coalesce(F.when(known.isNotNull(), "unchanged"), found["status"], F.lit("rejected")),
        "reason": F.coalesce(F.col("reason"), found["reason"]),
        "error_type": F.coalesce(F.col("error_type"), found["error_type"]),
        "n_tokens": found["n_tokens"],
        "model_id": F.coalesce(
            known["model_id"], F.when((found["status"] == "annotated") | is_copy, model_ids[language])
        ),
        "source_batch": F.coalesce(known["batch_id"], F.when(is_copy, F.lit(batch_id))),
        "spans": found["spans"],
    }
    identity = F.concat_ws(" ", *reversed(IDENTITY))
    annotated = spread.withColumn("annotation", annotation(text, F.col("language"), identity))
    names = job.staged.names
    return annotated.select(*(columns.get(name, F.col(f"`{name}`")).alias(name) for name in names))


def tasks_for(n_bytes: int, *, cores: int) -> int:
    """How many tasks tag so many bytes: as many for each core, so that none is left with the last one alone, and a few
    where there is enough to do, since rows spread by chance are no even shares."""
    if n_bytes <= SMALL_BYTES * cores:
        return max(1, ceil(n_bytes / SMALL_BYTES))
    for_each = min(TASKS_PER_CORE, n_bytes // (SMALL_BYTES * cores))
    return max(for_each, ceil(n_bytes / (TASK_BYTES * cores))) * cores
