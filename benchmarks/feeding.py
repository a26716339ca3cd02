"""How fast one core feeds a GPU: what a Spark task's Python does but the encoder. `python benchmarks/feeding.py`

The encoder is replaced by a table from a token's id to made-up logits, which costs next to nothing, so that what is
left is what a GPU would wait for. In microseconds of processor time a document token, over notes of about 150 words and
over texts of ten of them, in each round other notes:
- *tokenizer alone*: the backend's `encode_batch` on whole texts, its results unread: what any tagger does at least;
- *words once*: `DocumentTokenizer`, tokens with their places;
- *task*: `annotate_each`, the iterator that Spark's Python worker runs, from Arrow texts to Arrow rows with mentions
  (languages are given; the socket to the JVM is not in it);
- *pipeline*: transformers' token-classification pipeline, the recipe people copy, at the batch size given.
Rounds are interleaved, medians taken; the tokenizer's own threads are off for all.
"""

from __future__ import annotations

import os

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
import typer
from numpy.typing import NDArray
from pyspark.sql.pandas.types import to_arrow_schema
from rich.console import Console
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline
from transformers.modeling_outputs import TokenClassifierOutput

from cardio_ner.batching import pack_in_order
from cardio_ner.checkpoint import packaged_model
from cardio_ner.engine.contract import Positions, Row
from cardio_ner.spark import tagging
from cardio_ner.spark.schema import ANNOTATION
from cardio_ner.spark.settings import Model, Settings
from cardio_ner.spark.worker import annotate_each
from cardio_ner.tagger import Tagger
from cardio_ner.tokenization import DocumentTokenizer
from comparison.corpus import LANGUAGE
from conditions import conditions, markdown_table, write_results
from made_notes import Sources, make_note, read_sources

PACKAGES = ("torch", "transformers", "tokenizers", "pandas", "numpy")
ARROW_ROWS = 256
NOTES_A_TEXT = 10
OUTSIDE_BIAS = 3.0
"""So much likelier is `O` in the made-up logits: eight mentions a note, several times as many as real notes have."""
BUDGET_TOKENS = 16_384
_ARROW = to_arrow_schema(ANNOTATION)
Contender = Callable[[Sequence[str]], object]


@dataclass(frozen=True, slots=True)
class Table:
    """An engine that looks logits up: [vocabulary, K]."""

    logits_VK: NDArray[np.float32]
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32

    def describe(self) -> str:
        """No model at all."""
        return "a table"

    def batches(self, lengths_tokens: Sequence[int], *, max_tokens: int) -> list[list[int]]:
        """As the packed engine."""
        return pack_in_order(lengths_tokens, max_tokens=max_tokens)

    def cost(self, lengths_tokens: Sequence[int]) -> int:
        """No padding."""
        return sum(lengths_tokens)

    def logits(self, rows: Sequence[Row], wanted: Sequence[Positions]) -> torch.Tensor:
        """[U, K]"""
        ids = np.concatenate([row[its] for row, its in zip(rows, wanted, strict=True)])
        return torch.from_numpy(self.logits_VK[ids])


def with_table(tagger: Tagger) -> Tagger:
    """The tagger, its model replaced."""
    scheme, vocabulary = tagger.encoder.scheme, tagger.encoder.tokenizer.backend.get_vocab_size()
    logits_VK = np.random.default_rng(0).normal(size=(vocabulary, scheme.n_labels)).astype(np.float32)
    for group, columns in zip(scheme.groups, scheme.slices, strict=True):
        logits_VK[:, columns.start + group.outside] += OUTSIDE_BIAS
    return replace(tagger, encoder=replace(tagger.encoder, engine=Table(logits_VK)), max_tokens_per_batch=BUDGET_TOKENS)


def task(texts: Sequence[str]) -> int:
    """What a Spark task does with its rows, Arrow batch by Arrow batch; the mentions found."""
    columns = (pa.array(texts[first : first + ARROW_ROWS]) for first in range(0, len(texts), ARROW_ROWS))
    batches = ((its.to_pandas(), pd.Series([LANGUAGE] * len(its))) for its in columns)
    models = {LANGUAGE: Model(name="table", model_id="table")}
    n_mentions = 0
    for rows in annotate_each(batches, Settings(), models, careful=False):
        frame = pd.DataFrame(rows, columns=ANNOTATION.names)
        pa.RecordBatch.from_pandas(frame, schema=_ARROW, preserve_index=False)
        n_mentions += sum(len(row["spans"]) for row in rows)
    return n_mentions


def peer(tagger: Tagger, batch_size: int) -> Contender:
    """The pipeline over the same table, with windows as ours."""
    folder = packaged_model(LANGUAGE)
    model = AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32)
    logits_VK = torch.from_numpy(tagger.encoder.engine.logits_VK)  # type: ignore[attr-defined]

    def forward(input_ids: torch.Tensor, **_: object) -> TokenClassifierOutput:
        return TokenClassifierOutput(logits=logits_VK[input_ids])

    model.forward = forward
    run = pipeline(
        "token-classification",
        model=model,
        tokenizer=AutoTokenizer.from_pretrained(folder, model_max_length=tagger.window_tokens),
        aggregation_strategy="simple",
        stride=tagger.overlap_tokens,
        batch_size=batch_size,
        device="cpu",
    )
    return lambda texts: run(list(texts))


def contenders(tagger: Tagger, batch_size: int) -> dict[str, Contender]:
    """By name, each a function of texts."""
    its = tagger.encoder.tokenizer
    own = DocumentTokenizer(its.backend, its.prefix_ids, its.suffix_ids, its.pad_id)  # learns no word for the task
    return {
        "tokenizer alone": lambda texts: its.backend.encode_batch(list(texts), add_special_tokens=False),
        "words once": own,
        "task": task,
        "pipeline": peer(tagger, batch_size),
    }


def processor_seconds(work: Mapping[str, Contender], rounds: Sequence[Sequence[str]]) -> dict[str, list[float]]:
    """Of each round but the first, which warms up; each has texts of its own."""
    found: dict[str, list[float]] = {name: [] for name in work}
    for number, texts in enumerate(rounds):
        for name, run in work.items():
            start = time.process_time()
            run(texts)
            if number:
                found[name].append(time.process_time() - start)
    return found


def measure(tagger: Tagger, work: Mapping[str, Contender], rounds: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Texts, tokens and mentions of a round on average, and every contender's seconds."""
    seconds = processor_seconds(work, rounds)
    counted = rounds[1:]
    n_tokens = [sum(map(len, tagger.encoder.tokenizer(texts))) for texts in counted]
    return {
        "texts": len(counted[0]),
        "tokens": round(statistics.mean(n_tokens)),
        "mentions": round(statistics.mean(task(texts) for texts in counted)),
        "seconds": seconds,
    }


def own_notes(number: int, n_notes: int, sources: Sources) -> list[str]:
    """Texts of so many notes that no other number has."""
    step = len(sources.sentences)  # languages alternate
    numbered = (make_note(note, sources) for note in range(step * n_notes * number, step * n_notes * (number + 1)))
    return [note.text for note in numbered if note.language == LANGUAGE]


def main(
    n_notes: Annotated[int, typer.Option("--notes", help="Notes of about 150 words in a round")] = 600,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds")] = 5,
    batch_size: Annotated[int, typer.Option(help="Windows of a batch of the pipeline")] = 128,
) -> None:
    """Measure, and write Markdown and JSON into benchmarks/results."""
    torch.set_num_threads(1)
    tagger = with_table(Tagger.load(LANGUAGE, device="cpu"))
    tagging.load_tagger = lambda _: tagger  # type: ignore[assignment]
    sources = read_sources()
    shorter = [own_notes(number, n_notes, sources) for number in range(rounds + 1)]
    longer = [
        ["\n".join(its[first : first + NOTES_A_TEXT]) for first in range(0, n_notes, NOTES_A_TEXT)]
        for its in (own_notes(number, n_notes, sources) for number in range(rounds + 1, 2 * (rounds + 1)))
    ]
    work = contenders(tagger, batch_size)
    measured = {
        "Notes of about 150 words": measure(tagger, work, shorter),
        "Texts of ten of them": measure(tagger, work, longer),
    }
    sections = [table(title, its) for title, its in measured.items()]
    told = conditions(PACKAGES) | {"notes": sources.name, "language": LANGUAGE}
    report = write_results("feeding", "What one core feeds a GPU", sections, {"conditions": told, "measured": measured})
    Console().print(report.read_text(encoding="utf-8"), markup=False, highlight=False, soft_wrap=True)


def table(title: str, measured: dict[str, Any]) -> str:
    """Medians, and how many times the task's cost each is."""
    rows = []
    for name, seconds in measured["seconds"].items():
        ratios = [one / ours for one, ours in zip(seconds, measured["seconds"]["task"], strict=True)]
        one = statistics.median(seconds) / measured["tokens"]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        rows.append([name, f"{one * 1e6:.2f}", f"{1 / one:,.0f}", spread])
    n_texts, n_tokens, n_mentions = (measured[name] for name in ("texts", "tokens", "mentions"))
    counted = f"{n_texts:,} texts a round, {n_tokens:,} tokens, {n_mentions:,} mentions by the task."
    columns = ["", "µs of a core a token", "tokens/s of a core", "× the task's"]
    return f"## {title}\n\n{counted}\n\n" + markdown_table(columns, rows)


if __name__ == "__main__":
    typer.run(main)
