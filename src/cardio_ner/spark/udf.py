"""The one pandas UDF: (text, language[, identity, known language]) in, one annotation struct per row out, in order. The
driver's side.

Contract
- What a row becomes is said in worker.py, which Python workers import and the driver does not.
- Progress reaches the driver when a task ends (Spark's accumulators), and counts twice what Spark tries twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pyspark.accumulators import Accumulator
from pyspark.sql.pandas.functions import pandas_udf

from cardio_ner.spark.schema import ANNOTATION
from cardio_ner.spark.settings import Model, Settings


@dataclass(frozen=True, slots=True)
class Progress:
    """What the workers add to after each Arrow batch: rows done, of any outcome, and tokens read in them."""

    documents: Accumulator[int]
    tokens: Accumulator[int]

    def add(self, rows: list[dict[str, Any]]) -> None:
        """Count these rows of ANNOTATION."""
        self.documents.add(len(rows))
        self.tokens.add(sum(row["n_tokens"] or 0 for row in rows))


def annotation_udf(
    settings: Settings, models: dict[str, Model], careful: bool = False, progress: Progress | None = None
) -> Any:
    """The UDF of a run, for `dataframe.select(udf(text, language))`; not deterministic for the optimiser, so that
    Spark neither repeats nor moves it. With a third column, the rows' identity, copies are told: those of one task,
    so rows must be spread by it; with a fourth, so are rows that are known in the language detected."""

    def annotate(batches: Iterator[tuple[pd.Series, ...]]) -> Iterator[pd.DataFrame]:
        from cardio_ner.spark.worker import annotate_each  # torch: seconds that the driver need not spend

        for rows in annotate_each(batches, settings, models, careful=careful):
            if progress:
                progress.add(rows)
            yield pd.DataFrame(rows, columns=ANNOTATION.names)

    return pandas_udf(annotate, ANNOTATION).asNondeterministic()  # type: ignore[call-overload]
