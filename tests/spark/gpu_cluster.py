"""Run by test_gpu_cluster: a Spark cluster on this machine whose GPUs are made up, and a UDF that says what it got.

python gpu_cluster.py DISCOVERY_SCRIPT      prints a JSON list of [address, device, share of memory], one per task
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator

import pandas as pd
from pyspark import TaskContext
from pyspark.sql import SparkSession
from pyspark.sql.pandas.functions import pandas_udf

from cardio_ner.spark.placement import place_of_task

GPUS = {
    "spark.worker.resource.gpu.amount": "2",
    "spark.executor.resource.gpu.amount": "2",
    "spark.task.resource.gpu.amount": "0.5",
}
LOOPBACK = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false"}


def main(script: str) -> None:
    """One task per partition; a task lasts long enough for all slots to be in use."""
    builder = SparkSession.builder.master("local-cluster[1,4,1024]")
    for key, value in (GPUS | LOOPBACK).items():
        builder = builder.config(key, value)
    for role in ("worker", "executor"):
        builder = builder.config(f"spark.{role}.resource.gpu.discoveryScript", script)
    spark = builder.getOrCreate()

    def probe(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        place = place_of_task("auto")
        (address,) = TaskContext.get().resources()["gpu"].addresses
        for rows in batches:
            time.sleep(1)
            yield pd.Series([json.dumps([address, place.device, place.memory_share])] * len(rows))

    found = spark.range(0, 8, 1, 8).select(pandas_udf(probe, "string")("id")).collect()
    spark.stop()
    print(json.dumps([json.loads(row[0]) for row in found]))


if __name__ == "__main__":
    main(sys.argv[1])
