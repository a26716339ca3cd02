"""One GPU, without Spark: the bare encoder, the UDF's own function, and the pipeline people copy, in one run.

    PYTHONPATH=benchmarks python benchmarks/gpu.py        # writes benchmarks/results/DATE-gpu.md and .json

In tokens a second, for the small encoder that ships and for one of base size with random weights:
- *matrices*: the products of the encoder's linear maps alone, on the shapes of a full batch: the chip's own rate;
- *bare*: full windows in full batches through `Encoder.launch`, for several budgets of tokens;
- *UDF*: `annotate_each`, the iterator that Spark's Python worker runs, from texts to rows, in one process and in
  several (four, as conf/spark/*-gpu.conf shares a GPU, and more): its distance from the bare encoder is what the GPU
  waits for the rest;
- *pipeline*: transformers' token-classification pipeline in float16, at its best batch size.
Rounds are interleaved, medians taken. Matrices and bare count window tokens, UDF and pipeline document tokens.
`--device cpu` tries the script out where no GPU is.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
import typer
from rich.console import Console
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

from candidates.bare import full_batches, shape_of
from cardio_ner.checkpoint import Checkpoint, packaged_model
from cardio_ner.document import Document
from cardio_ner.encoder import choose_device
from cardio_ner.spark.settings import Model, Settings
from cardio_ner.spark.worker import annotate_each
from cardio_ner.tagger import Tagger
from cardio_ner.windows import cut_windows
from comparison.corpus import LANGUAGE, open_source
from comparison.encoders import write_base_size
from comparison.machine import machine, provenance

RESULTS = Path(__file__).parent / "results"
BUDGETS = "4096,16384,32768,65536"
PIPELINE_BATCHES = (32, 128, 256)
ARROW_ROWS = 256
TASKS = "4,12"
Pools = dict[int, list[ProcessPoolExecutor]]
"""By how many share the GPU: processes of one thread, as Spark's workers are, each a pool of its own, so that a share
always meets the process that has loaded its weights."""
Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Part:
    """One encoder on one device, and the documents; the pipeline reads one in `pipeline_share` of them."""

    checkpoint: Checkpoint
    device: str
    documents: tuple[Document, ...]
    pipeline_share: int

    def tagger(self, max_tokens_per_batch: int) -> Tagger:
        """Loaded anew, with that budget."""
        return Tagger.load(self.checkpoint, device=self.device, max_tokens_per_batch=max_tokens_per_batch)


def finish(device: str) -> None:
    """Wait for what the device still computes."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def matrices(part: Part, tagger: Tagger, n_tokens: int) -> Work:
    """The linear maps' products for one batch of that many tokens."""
    engine, shape = tagger.encoder.engine, shape_of(str(part.checkpoint.folder))
    like: dict[str, Any] = {"dtype": engine.dtype, "device": engine.device}
    weights = [torch.randn(outputs, inputs, **like) for _ in range(shape.layers) for inputs, outputs in shape.linears()]
    inputs = {width: torch.randn(n_tokens, width, **like) for width in {weight.shape[1] for weight in weights}}
    return lambda: [torch.nn.functional.linear(inputs[weight.shape[1]], weight) for weight in weights]


def bare(part: Part, tagger: Tagger) -> tuple[Work, int]:
    """Full windows in full batches; and how many window tokens they are."""
    inner = tagger.window_tokens - tagger.encoder.tokenizer.n_special_tokens
    n_rows = tagger.tokens_per_batch // tagger.window_tokens
    tokens = tagger.encoder.tokenizer([document.text for document in part.documents])
    batches = full_batches(np.concatenate([each.ids for each in tokens]), n_rows, inner)
    wanted = [np.arange(inner)] * n_rows

    def run() -> None:
        for rows in batches:
            tagger.encoder.launch(list(rows), wanted)

    return run, batches.shape[0] * n_rows * tagger.window_tokens


def annotate(checkpoint: str, model_id: str, device: str, budget: int, texts: list[str]) -> int:
    """What a Spark task does with its rows, Arrow batch by Arrow batch; how many rows came back."""
    settings = Settings(device=device, max_tokens_per_batch=budget)
    batches: Iterator[tuple[pd.Series, pd.Series]] = (
        (pd.Series(texts[start : start + ARROW_ROWS]), pd.Series([LANGUAGE] * len(texts[start : start + ARROW_ROWS])))
        for start in range(0, len(texts), ARROW_ROWS)
    )
    models = {LANGUAGE: Model(name=checkpoint, model_id=model_id)}
    return sum(len(rows) for rows in annotate_each(batches, settings, models, careful=False))


def one_thread() -> ProcessPoolExecutor:
    """A process of its own."""
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,))


def udf(part: Part, budget: int, processes: list[ProcessPoolExecutor] | None = None) -> Work:
    """`annotate` over all documents, here or dealt out to processes."""
    texts = [document.text for document in part.documents]
    fixed = str(part.checkpoint.folder), part.checkpoint.model_id, part.device, budget
    if processes is None:
        return lambda: annotate(*fixed, texts)
    shares = [(process, texts[task :: len(processes)]) for task, process in enumerate(processes)]
    return lambda: [done.result() for done in [process.submit(annotate, *fixed, share) for process, share in shares]]


def peer(part: Part, batch_size: int, tagger: Tagger) -> tuple[Work, int]:
    """The pipeline, with windows as ours, on a share of the documents; and how many tokens they are."""
    folder = part.checkpoint.folder
    run = pipeline(
        "token-classification",
        model=AutoModelForTokenClassification.from_pretrained(
            folder, dtype=torch.float32 if part.device == "cpu" else torch.float16
        ),
        tokenizer=AutoTokenizer.from_pretrained(folder, model_max_length=tagger.window_tokens),
        aggregation_strategy="simple",
        stride=tagger.overlap_tokens,
        batch_size=batch_size,
        device=part.device,
    )
    texts = [document.text for document in part.documents[:: part.pipeline_share]]
    return lambda: run(texts), sum(map(len, tagger.encoder.tokenizer(texts)))


def rates(work: dict[str, tuple[Work, int]], device: str, rounds: int) -> dict[str, float]:
    """Tokens a second of each: medians over interleaved rounds, after one that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for counts in [False] + [True] * rounds:
        for name, (run, _) in work.items():
            finish(device)
            start = time.perf_counter()
            run()
            finish(device)
            if counts:
                seconds[name].append(time.perf_counter() - start)
    return {name: work[name][1] / statistics.median(times) for name, times in seconds.items()}


def window_tokens(part: Part, tagger: Tagger) -> tuple[int, int]:
    """(tokens of the documents, tokens of their windows: overlap and special tokens counted)"""
    special = tagger.encoder.tokenizer.n_special_tokens
    lengths = [len(tokens) for tokens in tagger.encoder.tokenizer([document.text for document in part.documents])]
    size = {"window_tokens": tagger.window_tokens - special, "overlap_tokens": tagger.overlap_tokens}
    return sum(lengths), sum(w.end - w.start + special for length in lengths for w in cut_windows(length, **size))


def measure(part: Part, budgets: list[int], rounds: int, pools: Pools) -> dict[str, Any]:
    """All of one encoder: rates, and what they are of each other."""
    taggers = {budget: part.tagger(budget) for budget in budgets}
    first = taggers[budgets[0]]
    n_tokens, n_window_tokens = window_tokens(part, first)
    work: dict[str, tuple[Work, int]] = {"matrices": (matrices(part, first, budgets[-1]), budgets[-1])}
    for budget, tagger in taggers.items():
        work[f"bare, {budget} tokens a batch"] = bare(part, tagger)
        work[f"UDF in 1 process, {budget}"] = udf(part, budget), n_tokens
        for count, processes in pools.items():
            work[f"UDF in {count} processes, {budget}"] = udf(part, budget, processes), n_tokens
    for size in PIPELINE_BATCHES:
        work[f"pipeline, batches of {size}"] = peer(part, size, first)
    found = rates(work, part.device, rounds)
    best = {
        kind: max(rate for name, rate in found.items() if name.startswith(kind)) for kind in ("bare", "UDF", "pipeline")
    }
    shape = shape_of(str(part.checkpoint.folder))
    matrix_flops = found["matrices"] * (shape.linear_flops_per_token() - 2 * shape.hidden * shape.labels)
    return {
        "engine": first.encoder.engine.describe(),
        "tokens_per_second": found,
        "matrix_tflops": matrix_flops / 1e12,
        "bare_share_of_matrix_rate": best["bare"] * shape.flops_per_token(first.window_tokens) / matrix_flops,
        "udf_share_of_bare": best["UDF"] * n_window_tokens / n_tokens / best["bare"],
        "udf_over_pipeline": best["UDF"] / best["pipeline"],
    }


def as_markdown(results: dict[str, Any]) -> str:
    """The results for a reader."""
    lines = [f"# {results['device']}, {results['date']}", ""]
    lines += [f"`{results['command']}`; {results['documents']} documents", ""]
    for name, part in results["encoders"].items():
        lines += [f"## {name}: {part['engine']}", "", "| | tokens/s |", "|---|---:|"]
        lines += [f"| {what} | {rate:,.0f} |" for what, rate in part["tokens_per_second"].items()]
        share = f"{part['bare_share_of_matrix_rate']:.2f}"
        lines += ["", f"- matrix rate {part['matrix_tflops']:.1f} TFLOP/s, of which the bare encoder reaches {share}"]
        lines += [f"- UDF: {part['udf_share_of_bare']:.2f} of the bare encoder (window tokens on both sides), "]
        lines[-1] += f"{part['udf_over_pipeline']:.1f} times the pipeline at its best batch\n"
    return "\n".join(lines)


def main(
    device: Annotated[str, typer.Option(help="cuda, cuda:1; cpu to try the script out")] = "cuda",
    checkpoint: Annotated[str, typer.Option(help="Folder or hub name; default: the English one that ships")] = "",
    base_size: Annotated[bool, typer.Option(help="Also an encoder of base size with random weights")] = True,
    n_documents: Annotated[int, typer.Option("--documents")] = 4096,
    pipeline_share: Annotated[int, typer.Option(help="The pipeline, being slow, reads one document in so many")] = 16,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds")] = 3,
    budgets: Annotated[str, typer.Option(help="Tokens of a batch, to choose from")] = BUDGETS,
    tasks: Annotated[str, typer.Option(help="Processes that share the GPU")] = TASKS,
    results: Annotated[Path, typer.Option(help="Folder of the Markdown and the JSON")] = RESULTS,
) -> None:
    """Measure, print, write."""
    chosen = choose_device(device)
    sizes = sorted(int(budget) for budget in budgets.split(","))
    given = Checkpoint.open(checkpoint or packaged_model(LANGUAGE))
    documents = tuple(open_source().take(n_documents))
    named = torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else "CPU"
    found: dict[str, Any] = {"device": named, "documents": n_documents, **machine(), **provenance(), "encoders": {}}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        counts = sorted(int(count) for count in tasks.split(","))
        processes = [stack.enter_context(one_thread()) for _ in range(counts[-1])]
        pools: Pools = {count: processes[:count] for count in counts}
        encoders = {checkpoint or "shipped": given}
        if base_size:
            encoders["base-size"] = Checkpoint.open(write_base_size(Path(folder), given))
        for name, encoder in encoders.items():
            part = Part(encoder, device, documents, pipeline_share)
            found["encoders"][name] = measure(part, sizes, rounds, pools)
    results.mkdir(parents=True, exist_ok=True)
    stem = results / f"{found['date']}-gpu"
    stem.with_suffix(".json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    stem.with_suffix(".md").write_text(as_markdown(found), encoding="utf-8")
    Console().print(as_markdown(found), markup=False)


if __name__ == "__main__":
    typer.run(main)
