"""Rows as the gate let them pass → rows as they are staged: known, or tagged by the UDF, spread over the cores.

Contract: every row comes back once. Rows with one id and text go to one task, which tags them once (see worker.py).
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cardio_ner.spark.job import Job
from cardio_ner.spark.known import IDENTITY, KNOWN, mark_known
from cardio_ner.spark.schema import quoted
from cardio_ner.spark.shares import rounds_for, spread
from cardio_ner.spark.tables import has_documents
from cardio_ner.spark.udf import annotation_udf

_COLUMNS = {
    "language": "coalesce(known.language, annotation.language, language)",
    "language_source": "coalesce(known.language_source, annotation.language_source)",
    "status": "CASE WHEN known IS NOT NULL THEN 'unchanged' ELSE coalesce(annotation.status, 'rejected') END",
    "reason": "coalesce(reason, annotation.reason)",
    "error_type": "coalesce(error_type, annotation.error_type)",
    "n_tokens": "annotation.n_tokens",
    "model_id": "coalesce(known.model_id, IF(annotation.status IN ('annotated', 'unchanged'), "
    "_models[annotation.language], NULL))",
    "source_batch": "coalesce(known.batch_id, IF(annotation.status = 'unchanged', _batch, NULL))",
    "spans": "annotation.spans",
}
"""What is staged, of the gated row, of what is known of it (see known.py) and of what the UDF found. In SQL: each step
of an expression that is built from Python is several calls of the JVM, thousands in all."""


def annotate_rows(job: Job, batch_id: str, rows: DataFrame, *, n_bytes: int, careful: bool) -> DataFrame:
    """The gated rows with the UDF's columns in place of text, spread over the cores, copies in one task."""
    if job.settings.skip_unchanged and has_documents(job.spark, job.output):
        rows = mark_known(rows, job.output, job.models)
    else:
        rows = rows.withColumn("known", F.lit(None).cast(KNOWN))
    rounds = rounds_for(n_bytes, cores=job.spark.sparkContext.defaultParallelism)
    annotation = annotation_udf(job.settings, job.models, careful=careful, progress=job.meter.counted)
    text = F.expr("IF(known IS NULL, text, NULL)")
    identity = F.concat_ws(" ", *reversed(IDENTITY))
    model_ids = F.create_map(*(F.lit(part) for code, model in job.models.items() for part in (code, model.model_id)))
    annotated = spread(rows, rounds, IDENTITY).withColumns(
        {"annotation": annotation(text, "language", identity), "_models": model_ids, "_batch": F.lit(batch_id)}
    )
    names = job.staged.names
    columns = (f"{_COLUMNS.get(name, quoted(name))} AS {quoted(name)}" for name in names)
    return annotated.selectExpr(*columns)
