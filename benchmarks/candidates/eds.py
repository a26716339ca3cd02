"""EDS-NLP on its Spark backend: `eds.transformer` with our encoder, and an `eds.ner_crf` head. Variants: "fp32 x 8".

Contract
- The encoder's weights are the checkpoint's; the head's are random, biased towards "no mention" so that it finds few,
  as a trained one would. What it finds is not compared; its speed is.
- Windows and their stride are as ours. A batch is a number of documents, as EDS-NLP counts them.
- EDS-NLP's Spark backend has no mixed precision (its other backends have): bf16 is autocast around the encoder, here.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import edsnlp
import edsnlp.pipes as eds
import torch
from pyspark.sql import SparkSession
from pyspark.sql.functions import col
from pyspark.sql.functions import explode as explode_rows

from candidates.protocol import Found, Round, Task
from candidates.sparks import open_session, output_folder

NOTES = (
    "note_id string, note_text string, entities array<struct<note_nlp_id: long, start_char: long, end_char: long, "
    "lexical_variant: string, note_nlp_source_value: string>>"
)
OUTSIDE_BIAS = 10.0
OUTSIDE = 0
"""Where `eds.ner_crf` has the tag O among its five."""
SPECIAL_TOKENS = 2
"""EDS-NLP's window does not count them; ours does."""


class Autocast(torch.nn.Module):
    """A transformer that computes in bfloat16 and answers in float32."""

    def __init__(self, transformer: Any) -> None:
        super().__init__()
        self.transformer = transformer
        self.config = transformer.config

    @property
    def base_model(self) -> Autocast:
        """What EDS-NLP calls."""
        return self

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As the transformer's."""
        with torch.autocast("cpu", torch.bfloat16):
            output = self.transformer(*args, **kwargs)
        output.last_hidden_state = output.last_hidden_state.float()
        return output


def build(task: Task, precision: str) -> Any:
    """The EDS-NLP pipeline."""
    config = json.loads(Path(task.checkpoint, "config.json").read_text(encoding="utf-8"))
    labels = sorted({label.partition("-")[2] for label in config["id2label"].values()} - {""})
    window = task.window_tokens - SPECIAL_TOKENS
    torch.manual_seed(15)
    nlp = edsnlp.blank("eds")
    transformer = eds.transformer(model=task.checkpoint, window=window, stride=window - task.overlap_tokens)
    head = eds.ner_crf(
        embedding=transformer, mode="joint", target_span_getter="gold", span_setter="ents", labels=labels, window=10
    )
    nlp.add_pipe(head, name="ner")
    ner = nlp.pipes.ner
    ner.linear.bias.data[OUTSIDE::5] = OUTSIDE_BIAS
    ner.embedding.transformer.float()  # the checkpoint is kept in float16
    if precision == "bf16":
        ner.embedding.transformer = Autocast(ner.embedding.transformer)
    return nlp


@dataclass(frozen=True, slots=True)
class EdsNlp:
    """A session, and the pipeline by precision."""

    task: Task
    spark: SparkSession
    pipelines: dict[str, Any]
    facts: dict[str, Any] = field(default_factory=dict)

    def run(self, variant: str, corpus: str) -> Round:
        """Parquet in, Parquet out; read back after the clock has stopped."""
        precision, batch_documents = variant.split(" x ")
        with output_folder(self.task) as output:
            started = time.perf_counter()
            notes = self.spark.read.parquet(corpus).select(
                col("doc_id").alias("note_id"), col("text").alias("note_text")
            )
            stream = edsnlp.data.from_spark(notes, converter="omop")
            stream = stream.map_pipeline(self.pipelines[precision], batch_size=int(batch_documents))
            stream = stream.set_processing(backend="spark")
            stream.to_spark(converter="omop", dtypes=NOTES).write.parquet(output)
            seconds = time.perf_counter() - started
            rows = self.spark.read.parquet(output)
            spans = rows.select("note_id", explode_rows("entities").alias("span"))
            names = ("start_char", "end_char", "note_nlp_source_value")
            found = spans.select("note_id", *(col(f"span.{name}") for name in names)).collect()
            n_documents = rows.count()
        return Round(seconds, n_documents, found=tuple(Found(*row) for row in found))


def open_candidate(task: Task) -> EdsNlp:
    """Start the session, and let the workers load."""
    candidate = EdsNlp(task, open_session(task), {precision: build(task, precision) for precision in ("fp32", "bf16")})
    candidate.run("fp32 x 1", task.warm_up)
    return candidate
