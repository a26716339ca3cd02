"""Rows as the gate let them pass → rows as they are staged: known, or tagged by the UDF, spread over the cores.

Contract: every row comes back once. Rows with one id and text go to one task, which tags them once (see worker.py).
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cardio_ner.spark.job import Job
from cardio_ner.spark.known import IDENTITY, KNOWN, mark_known
from cardio_ner.spark.schema import quoted
from cardio_ner.spark.settings import Model
from cardio_ner.spark.shares import rounds_for, spread
from cardio_ner.spark.tables import has_documents
from cardio_ner.spark.udf import annotation_udf


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
    annotated = spread(rows, rounds, IDENTITY).withColumn("annotation", annotation(text, "language", identity))
    columns = _columns(job.models, batch_id)
    return annotated.selectExpr(*(f"{columns.get(name, quoted(name))} AS {quoted(name)}" for name in job.staged.names))


def _columns(models: dict[str, Model], batch_id: str) -> dict[str, str]:
    """What is staged of the gated row, of what is known of it (see known.py) and of what the UDF found. In SQL: each
    step of an expression that is built from Python is several calls of the JVM, thousands in all."""
    model_ids = ", ".join(f"'{code}', '{model.model_id}'" for code, model in models.items())  # codes and digests
    model_id = f"map({model_ids})[annotation.language]"
    return {
        "language": "coalesce(known.language, annotation.language, language)",
        "language_source": "coalesce(known.language_source, annotation.language_source)",
        "status": "CASE WHEN known IS NOT NULL THEN 'unchanged' ELSE coalesce(annotation.status, 'rejected') END",
        "reason": "coalesce(reason, annotation.reason)",
        "error_type": "coalesce(error_type, annotation.error_type)",
        "n_tokens": "annotation.n_tokens",
        "model_id": f"coalesce(known.model_id, IF(annotation.status IN ('annotated', 'unchanged'), {model_id}, NULL))",
        "source_batch": f"coalesce(known.batch_id, IF(annotation.status = 'unchanged', '{batch_id}', NULL))",
        "spans": "annotation.spans",
    }
