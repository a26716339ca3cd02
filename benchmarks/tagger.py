"""Tagger beside the recipe people copy, in one run: `python benchmarks/tagger.py`.

The peer is transformers' token-classification pipeline with the same checkpoint (the English one: one label group, so
that the pipeline reads it), windows of the same size and overlap. It runs as people write it (float32, a document at a
time) and at its best batch size in this Tagger's own precision. Rounds are interleaved A B C, A B C…; medians are
compared, in words per second, over the example notes in English.
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

from cardio_ner.checkpoint import packaged_model
from cardio_ner.document import Document
from cardio_ner.tagger import Tagger

NOTES = Path(__file__).parents[1] / "examples/notes/en"


def peer(dtype: torch.dtype, batch_size: int, texts: list[str], tagger: Tagger) -> Callable[[], object]:
    """The pipeline over the texts, with windows as the Tagger's."""
    folder = packaged_model("en")
    tokenizer = AutoTokenizer.from_pretrained(folder, model_max_length=tagger.window_tokens)
    run = pipeline(
        "token-classification",
        model=AutoModelForTokenClassification.from_pretrained(folder, dtype=dtype),
        tokenizer=tokenizer,
        aggregation_strategy="simple",
        stride=tagger.overlap_tokens,
        batch_size=batch_size,
        device="cpu",
    )
    return lambda: run(texts)


def main(
    rounds: Annotated[int, typer.Option(help="Interleaved rounds")] = 5,
    copies: Annotated[int, typer.Option(help="How often the notes are repeated")] = 3,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the results here")] = None,
) -> None:
    """Print words per second of each and their ratio to the Tagger."""
    texts = [path.read_bytes().decode("utf-8") for path in sorted(NOTES.glob("*.txt"))] * copies
    words = sum(len(text.split()) for text in texts)
    tagger = Tagger.load("en", device="cpu")
    dtype = tagger.encoder.engine.dtype
    documents = [Document(str(i), "en", text) for i, text in enumerate(texts)]
    candidates: dict[str, Callable[[], object]] = {
        f"Tagger, {dtype}": lambda: list(tagger.tag(documents)),
        "pipeline as written, torch.float32": peer(torch.float32, 1, texts, tagger),
        **{f"pipeline, batches of {size}, {dtype}": peer(dtype, size, texts, tagger) for size in (8, 32)},
    }
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for candidate in candidates.values():
        candidate()
    for _ in range(rounds):
        for name, candidate in candidates.items():
            start = time.perf_counter()
            candidate()
            seconds[name].append(time.perf_counter() - start)
    report(seconds, words, json_file)


def report(seconds: dict[str, list[float]], words: int, json_file: Path | None) -> None:
    """A table of medians, spread and ratios; and JSON."""
    ours = statistics.median(next(iter(seconds.values())))
    table = Table("", "words/s (median)", "slowest to fastest", "Tagger is × faster")
    for name, times in seconds.items():
        spread = f"{words / max(times):,.0f} to {words / min(times):,.0f}"
        table.add_row(
            name, f"{words / statistics.median(times):,.0f}", spread, f"{statistics.median(times) / ours:.1f}"
        )
    versions = {name: version(name) for name in ("torch", "transformers", "tokenizers")}
    console = Console(width=110)
    console.print(
        f"{words:,} words; {platform.processor() or platform.machine()}, {torch.get_num_threads()} threads; {versions}"
    )
    console.print(table)
    if json_file is not None:
        json_file.write_text(json.dumps({"words": words, "seconds": seconds, "versions": versions}, indent=1))


if __name__ == "__main__":
    typer.run(main)
