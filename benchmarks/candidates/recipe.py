"""The recipe people copy: transformers' token-classification pipeline inside a pandas UDF. Variants: "fp32 x 8".

Contract
- Windows are as ours (`model_max_length`, `stride`), so that nothing is truncated; mentions as the recipe's "simple"
  strategy joins them.
- In its favour: the model is loaded once per worker, where the recipe often loads it in every task; and the documents
  lie in files of equal size, as many as cores share evenly.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pandas as pd
import torch
from pyspark.sql import SparkSession
from pyspark.sql.functions import col, explode
from pyspark.sql.pandas.functions import pandas_udf
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

from candidates.protocol import Found, Round, Task
from candidates.sparks import open_session, output_folder

SPANS = "array<struct<start: int, end: int, entity_type: string, score: double>>"
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@cache
def load_pipeline(task: Task, precision: str, batch_windows: int) -> Callable[[list[str]], list[list[dict[str, Any]]]]:
    """This worker's pipeline of that kind."""
    tokenizer = AutoTokenizer.from_pretrained(task.checkpoint, model_max_length=task.window_tokens)
    model = AutoModelForTokenClassification.from_pretrained(task.checkpoint, dtype=DTYPES[precision])
    loaded: Callable[[list[str]], list[list[dict[str, Any]]]] = pipeline(
        "token-classification",
        model=model,
        tokenizer=tokenizer,
        aggregation_strategy="simple",
        stride=task.overlap_tokens,
        batch_size=batch_windows,
        device="cpu",
    )
    return loaded


def mentions_udf(task: Task, precision: str, batch_windows: int) -> Any:
    """The UDF of one variant: texts in, their mentions out."""

    def find(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        run = load_pipeline(task, precision, batch_windows)
        for texts in batches:
            yield pd.Series([[_struct(entity) for entity in found] for found in run(texts.tolist())])

    return pandas_udf(find, SPANS)  # type: ignore[call-overload]


def _struct(entity: dict[str, Any]) -> dict[str, Any]:
    """An entity of the pipeline as a struct of SPANS."""
    return {
        "start": int(entity["start"]),
        "end": int(entity["end"]),
        "entity_type": entity["entity_group"],
        "score": float(entity["score"]),
    }


@dataclass(frozen=True, slots=True)
class Recipe:
    """A session to run the recipe in."""

    task: Task
    spark: SparkSession
    facts: dict[str, Any] = field(default_factory=dict)

    def run(self, variant: str, corpus: str) -> Round:
        """Parquet in, Parquet out; read back after the clock has stopped."""
        precision, batch_windows = variant.split(" x ")
        find = mentions_udf(self.task, precision, int(batch_windows))
        with output_folder(self.task) as output:
            started = time.perf_counter()
            documents = self.spark.read.parquet(corpus)
            documents.select("doc_id", "language", find("text").alias("spans")).write.parquet(output)
            seconds = time.perf_counter() - started
            rows = self.spark.read.parquet(output)
            spans = rows.select("doc_id", explode("spans").alias("span"))
            found = spans.select("doc_id", *(col(f"span.{name}") for name in ("start", "end", "entity_type"))).collect()
            n_documents = rows.count()
        return Round(seconds, n_documents, found=tuple(Found(*row) for row in found))


def open_candidate(task: Task) -> Recipe:
    """Start the session, and let the workers load the recipe as it is written."""
    recipe = Recipe(task, open_session(task))
    recipe.run("fp32 x 1", task.warm_up)
    return recipe
