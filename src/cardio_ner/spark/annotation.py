"""Rows as the gate let them pass → rows as they are staged: known, or tagged by the UDF, spread over the cores.

Contract: every row comes back once. Rows with one id and text go to one task, which tags them once (see worker.py).
What is known is not tagged; where its language was detected, and runs have detected among other languages than this one
does, the worker detects it again.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cardio_ner.spark.job import Job
from cardio_ner.spark.known import IDENTITY, KNOWN, KNOWN_NAMES, mark_known
from cardio_ner.spark.schema import quoted
from cardio_ner.spark.settings import Model
from cardio_ner.spark.shares import rounds_for, spread
from cardio_ner.spark.tables import has_documents
from cardio_ner.spark.udf import annotation_udf


def annotate_rows(job: Job, batch_id: str, rows: DataFrame, *, n_bytes: int, careful: bool) -> DataFrame:
    """The gated rows with the UDF's columns in place of text, spread over the cores, copies in one task."""
    if is_asked := job.settings.skip_unchanged and has_documents(job.spark, job.output):
        rows = mark_known(rows, job.output, job.models)
    else:
        rows = rows.withColumn("known", F.lit(None).cast(KNOWN))
    rounds = rounds_for(n_bytes, cores=job.spark.sparkContext.defaultParallelism)
    annotation = annotation_udf(job.settings, job.models, careful=careful, progress=job.meter.counted)
    sure = "known.language_source = 'given'" if is_asked and job.detects_again else "known IS NOT NULL"
    text = F.expr(f"IF({sure}, NULL, text)")
    identity = F.concat_ws(" ", *reversed(IDENTITY))
    found = annotation(text, "language", identity, "known.language")
    annotated = spread(rows, rounds, IDENTITY).withColumn("annotation", found)
    is_known = f"({sure} OR known.language = annotation.language)"
    columns = _columns(job.models, batch_id, is_known)
    return annotated.selectExpr(*(f"{columns.get(name, quoted(name))} AS {quoted(name)}" for name in job.staged.names))


def _columns(models: dict[str, Model], batch_id: str, is_known: str) -> dict[str, str]:
    """What is staged of the gated row, of what is known of it (see known.py) and of what the UDF found. In SQL: each
    step of an expression that is built from Python is several calls of the JVM, thousands in all."""
    model_ids = ", ".join(f"'{code}', '{model.model_id}'" for code, model in models.items())  # codes and digests
    its_model_id = f"IF(annotation.status IN ('annotated', 'unchanged'), map({model_ids})[annotation.language], NULL)"
    known = {name: f"IF({is_known}, known.{name}, NULL)" for name in KNOWN_NAMES}
    return {
        "language": f"coalesce({known['language']}, annotation.language, language)",
        "language_source": f"coalesce({known['language_source']}, annotation.language_source)",
        "status": f"IF({is_known}, 'unchanged', coalesce(annotation.status, 'rejected'))",
        "reason": "coalesce(reason, annotation.reason)",
        "error_type": "coalesce(error_type, annotation.error_type)",
        "n_tokens": "annotation.n_tokens",
        "model_id": f"coalesce({known['model_id']}, {its_model_id})",
        "source_batch": f"coalesce({known['batch_id']}, IF(annotation.status = 'unchanged', '{batch_id}', NULL))",
        "spans": "annotation.spans",
    }
