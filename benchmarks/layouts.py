"""Allocator, batch budget, threads and processes: `python benchmarks/layouts.py`.

The shipped encoder as it is (`Encoder.log_probabilities`), over the same windows of real documents (cardioccc_dev where
CARDIO_NER_DATA is set, else examples/notes). Each layout is processes of its own; rounds are interleaved A B C, A B C…
The first of a table is its reference. An allocator is left out where its library is not installed
(apt-get install libjemalloc2 libtcmalloc-minimal4).
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console

from cardio_ner.tagger import Tagger
from cardio_ner.windows import cut_windows
from child_process import Child, Timed, timed
from conditions import conditions, markdown_table, write_results
from encoders import texts

Rows = list[NDArray[np.int32]]

KEEP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}
ALLOCATORS: dict[str, dict[str, str]] = {
    "glibc": {},
    "glibc, buffers kept (MALLOC_MMAP_MAX_=0, MALLOC_TRIM_THRESHOLD_=100000000000)": KEEP,
    "glibc, buffers kept, huge pages": {**KEEP, "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
    "jemalloc": {"LD_PRELOAD": "libjemalloc.so.2"},
    "tcmalloc": {"LD_PRELOAD": "libtcmalloc_minimal.so.4"},
}
BUDGETS_TOKENS = (4096, 512, 1024, 2048, 8192)


@dataclass(frozen=True, slots=True)
class Layout:
    """So many processes, each of so many threads, with their environment and budget; and its rounds."""

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)
    n_processes: int = 1
    threads: int = 1
    max_tokens_per_batch: int = 4096
    rounds: list[Timed] = field(default_factory=list)


class Loaded:
    """What a child keeps between calls."""

    tagger: Tagger
    batches: list[Rows]


def load(language: str, rows: Rows, threads: int, max_tokens_per_batch: int) -> Timed:
    """In the child: load, pack, and one round to warm up."""
    torch.set_num_threads(threads)
    Loaded.tagger = Tagger.load(language, device="cpu")
    special = Loaded.tagger.encoder.tokenizer.n_special_tokens
    lengths = [len(row) + special for row in rows]
    places = Loaded.tagger.encoder.engine.batches(lengths, max_tokens=max_tokens_per_batch)
    Loaded.batches = [[rows[i] for i in batch] for batch in places]
    return one_round()


def one_round() -> Timed:
    """In the child: the windows once more."""
    return timed(lambda: [Loaded.tagger.encoder.log_probabilities(batch) for batch in Loaded.batches])


def windows(tagger: Tagger, documents: Sequence[str]) -> Rows:
    """Ids of the documents' windows, no special tokens."""
    tokenizer, rows = tagger.encoder.tokenizer, []
    inner = tagger.window_tokens - tokenizer.n_special_tokens
    for tokens in tokenizer(documents):
        cut = cut_windows(len(tokens), window_tokens=inner, overlap_tokens=tagger.overlap_tokens)
        rows += [tokens.ids[w.start : w.end] for w in cut]
    return rows


def together(timings: Sequence[Timed]) -> Timed:
    """Processes side by side: the slowest's clock, all processor time and memory."""
    return Timed(
        max(one.wall_seconds for one in timings),
        sum(one.cpu_seconds for one in timings),
        sum(one.resident_mb for one in timings),
    )


def measure(language: str, layouts: Sequence[Layout], rows: Rows, *, rounds: int) -> None:
    """Load every layout, then fill in its rounds."""
    with ExitStack() as stack:
        children = []
        for it in layouts:
            several = [stack.enter_context(Child(it.environment)) for _ in range(it.n_processes)]
            for first, child in enumerate(several):
                child(load, language, rows[first :: it.n_processes], it.threads, it.max_tokens_per_batch)
            children.append(several)
        for _ in range(rounds):
            for it, several in zip(layouts, children, strict=True):
                started = [child.start(one_round) for child in several]
                it.rounds.append(together([one.result() for one in started]))


def table(title: str, layouts: Sequence[Layout], n_tokens: int, *, unit: str = "window tokens/s") -> str:
    """Medians and ratios to the first."""
    lines = []
    for it in layouts:
        pairs = list(zip(it.rounds, layouts[0].rounds, strict=True))
        wall = [theirs.wall_seconds / ours.wall_seconds for ours, theirs in pairs]
        cpu = [theirs.cpu_seconds / ours.cpu_seconds for ours, theirs in pairs]
        rate = n_tokens / statistics.median(one.wall_seconds for one in it.rounds)
        spread = f"{statistics.median(wall):.2f} ({min(wall):.2f} to {max(wall):.2f})"
        resident = f"{it.rounds[-1].resident_mb:,.0f}"
        lines.append([it.name, f"{rate:,.0f}", spread, f"{statistics.median(cpu):.2f}", resident])
    columns = ["", unit, "×", "× by CPU seconds", "resident MB"]
    return f"## {title}\n\n" + markdown_table(columns, lines)


def installed(environment: Mapping[str, str]) -> bool:
    """Is the library to load first there?"""
    name = environment.get("LD_PRELOAD")
    return name is None or any(Path("/usr/lib").glob(f"*/{name}"))


def main(
    language: Annotated[str, typer.Option(help="es, en, it")] = "es",
    n_windows: Annotated[int, typer.Option(help="Windows of a round")] = 64,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds")] = 5,
    name: Annotated[str, typer.Option(help="Results are <day>-<name>.md and .json")] = "layouts",
) -> None:
    """Compare layouts; write tables and JSON."""
    tagger = Tagger.load(language, device="cpu")
    rows = windows(tagger, texts(language))[:n_windows]
    special = tagger.encoder.tokenizer.n_special_tokens
    n_tokens = sum(len(row) + special for row in rows)
    groups = {
        "Allocator (1 thread, 4,096 tokens a batch)": [
            Layout(title, environment) for title, environment in ALLOCATORS.items() if installed(environment)
        ],
        "Batch budget in tokens (1 thread, glibc with buffers kept)": [
            Layout(f"{budget:,}", KEEP, max_tokens_per_batch=budget) for budget in BUDGETS_TOKENS
        ],
        "Processes and threads (glibc with buffers kept)": [
            Layout(f"{n} x {threads}", KEEP, n, threads) for n, threads in ((1, 1), (1, 2), (2, 1))
        ],
    }
    sections, data = [f"{len(rows)} windows, {n_tokens:,} window tokens a round, {rounds} rounds."], {}
    for title, layouts in groups.items():
        measure(language, layouts, rows, rounds=rounds)
        sections.append(table(title, layouts, n_tokens))
        data[title] = [asdict(it) for it in layouts]
    found = {"conditions": conditions(["torch", "transformers"]), "n_tokens": n_tokens, "layouts": data}
    Console().print(write_results(name, "Allocator, batch budget, threads and processes", sections, found))


if __name__ == "__main__":
    typer.run(main)
