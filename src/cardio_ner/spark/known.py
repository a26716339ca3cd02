"""What need not be tagged: documents that the tables have already. (Copies inside a batch: worker.py.)

Contract
- A row is `unchanged` where a committed row has the same doc_id and text_sha256, the same language from the same place
  (given, or detected: then as it was last detected) and this run's checkpoint of that language. `source_batch` names
  the batch whose spans are its mentions.
- What was detected is known only if this run, which may detect among other languages, detects it so too: annotation.py.
- Cost: one pass over the batch's ids and one over narrow columns of the documents table, joined; texts and spans of
  the past are never read. It grows with the history (docs/operations.md says what was measured), is skipped while there
  is none, and `skip_unchanged: false` turns it off.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cardio_ner.spark.schema import quoted
from cardio_ner.spark.settings import Model
from cardio_ner.spark.tables import read_documents

IDENTITY = ["doc_id", "text_sha256"]
KNOWN_NAMES = ["batch_id", "language", "language_source", "model_id"]
KNOWN = f"struct<{','.join(f'{name}:string' for name in KNOWN_NAMES)}>"


def mark_known(rows: DataFrame, output: str, models: dict[str, Model]) -> DataFrame:
    """The rows with `known`: null, or a struct of the batch, language, language_source and checkpoint of the row that
    the tables have."""
    spark = rows.sparkSession
    documents = read_documents(spark, output, with_kept=False)
    model_ids = F.create_map(*(F.lit(its) for code, model in models.items() for its in (code, model.model_id)))
    same_model = model_ids[F.col("language")] == F.col("model_id")
    history = documents.where((F.col("status") == "annotated") & same_model)
    asked = rows.where("reason IS NULL").select(*IDENTITY).distinct()
    found = (
        history.join(asked, IDENTITY, "left_semi")
        .withColumn("given", F.when(F.col("language_source") == "given", F.col("language")))
        .groupBy(*IDENTITY, "language_source", "given")
        .agg(F.max_by(F.struct(*KNOWN_NAMES), F.struct("annotated_at", "batch_id")).alias("known"))
    )
    known = found.select(*IDENTITY, "known", F.col("given").alias("_given"), F.col("language_source").alias("_source"))
    given = rows["language"]
    detected_then = given.isNull() & (known["_source"] == "detected")
    given_then = (given == known["_given"]) & (known["_source"] == "given")
    same = (rows["doc_id"] == known["doc_id"]) & (rows["text_sha256"] == known["text_sha256"])
    condition = rows["reason"].isNull() & same & (detected_then | given_then)
    return rows.join(known, condition, "left").select(*(rows[quoted(name)] for name in rows.columns), "known")
