"""What recognising documents that the tables hold already costs, as the history grows.

    python benchmarks/known_documents.py [--history 0 100000 1000000] [--batch 2000] [--rounds 3]

Makes a documents table of so many rows (ids and digests as the job writes them, in ten batches), then marks a batch of
which half is known, as the job does before it tags. Prints seconds by history, and their ratio to reading the batch
without looking.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from cardio_ner.spark.known import mark_known
from cardio_ner.spark.schema import DOCUMENTS
from cardio_ner.spark.session import session
from cardio_ner.spark.settings import Model

MODEL = Model(name="measured", model_id="m0123456789abcdef")


def write_history(spark: SparkSession, output: Path, n_documents: int) -> None:
    """Committed rows with the ids 0 to n - 1."""
    told = {
        "doc_id": F.col("id").cast("string"),
        "text_sha256": F.sha2(F.col("id").cast("string"), 256),
        "language": F.lit("es"),
        "language_source": F.lit("given"),
        "status": F.lit("annotated"),
        "model_id": F.lit(MODEL.model_id),
        "annotated_at": F.current_timestamp(),
        "batch_id": F.concat(F.lit("b0123456789ab-"), F.pmod("id", F.lit(10))),
    }
    schema = StructType(DOCUMENTS.fields)
    columns = [told.get(f.name, F.lit(None)).cast(f.dataType).alias(f.name) for f in schema.fields]
    spark.range(n_documents).select(*columns).write.partitionBy("batch_id").parquet(f"{output}/documents")


def batch(spark: SparkSession, n_known: int, n_rows: int) -> DataFrame:
    """Rows as the gate gives them; the first half are the history's last."""
    first = max(0, n_known - n_rows // 2)
    ids = spark.range(first, first + n_rows).select(F.col("id").cast("string").alias("doc_id"))
    return ids.select(
        "doc_id",
        F.lit("es").alias("language"),
        F.lit(None).cast("string").alias("reason"),
        F.sha2("doc_id", 256).alias("text_sha256"),
        F.repeat(F.lit("Ingresa por dolor. "), 100).alias("text"),
    )


def seconds(work: Callable[[], DataFrame], rounds: int) -> float:
    """The median time of computing all rows, after one round to warm up."""
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        work().write.format("noop").mode("overwrite").save()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--history", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--batch", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    spark = session("known documents")
    spark.sparkContext.setLogLevel("ERROR")
    print(f"{arguments.batch} rows, {os.cpu_count()} cores, Spark {spark.version}")
    print("history   seconds   x reading the batch alone")
    for n_documents in arguments.history:
        with tempfile.TemporaryDirectory() as folder:
            write_history(spark, Path(folder), n_documents)
            rows = batch(spark, n_documents, arguments.batch)
            marked = mark_known(rows, folder, {"es": MODEL})
            found = marked.where("known IS NOT NULL").count()
            assert found == min(n_documents, arguments.batch // 2), found
            alone = seconds(lambda rows=rows: rows, arguments.rounds)
            took = seconds(lambda rows=rows, folder=folder: mark_known(rows, folder, {"es": MODEL}), arguments.rounds)
            print(f"{n_documents:>9}   {took:>6.2f}   {took / alone:.1f}")
    spark.stop()


if __name__ == "__main__":
    main()
