"""The whole Spark job: Parquet in, tables out, as jobs/annotate.py runs it, in a session that lasts."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import SparkSession

from candidates.protocol import Found, Round, Task
from candidates.sparks import open_session, output_folder
from candidates.tagger import window_tokens_of
from cardio_ner.spark.pipeline import annotate
from cardio_ner.spark.settings import Settings
from cardio_ner.spark.tables import read_documents, read_spans
from cardio_ner.tagger import Tagger


@dataclass(frozen=True, slots=True)
class Job:
    """A session, and the checkpoint to tag with. The Tagger here only knows the windows; workers load their own."""

    task: Task
    spark: SparkSession
    tagger: Tagger
    facts: dict[str, Any] = field(default_factory=dict)

    def run(self, variant: str, corpus: str) -> Round:  # noqa: ARG002  there is one
        """One run into new tables; what they hold is read after the clock has stopped."""
        settings = Settings(checkpoints={"en": self.task.checkpoint}, device="cpu")
        with output_folder(self.task) as output:
            started = time.perf_counter()
            annotate(self.spark, corpus, output, settings)
            seconds = time.perf_counter() - started
            documents = read_documents(self.spark, output).select("n_tokens").collect()
            columns = ("doc_id", "start_offset", "end_offset", "entity_type")
            found = read_spans(self.spark, output).select(*columns).collect()
        counts = [row["n_tokens"] for row in documents]
        window_tokens = sum(window_tokens_of(n_tokens, self.tagger) for n_tokens in counts)
        return Round(seconds, len(counts), sum(counts), window_tokens, tuple(Found(*row) for row in found))


def open_candidate(task: Task) -> Job:
    """Start the session, and let its workers load: submit → first batch."""
    job = Job(task, open_session(task), Tagger.load(task.checkpoint, device="cpu"))
    job.run("", task.warm_up)
    return job
