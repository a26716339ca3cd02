"""The bare limit: the encoder on windows that are all full, in full batches; and the chip's own matrix rate beside it.

    "forward PxT"    Encoder.log_probabilities, nothing else, in P processes of T threads
    "matrices PxT"   the multiplications of the same batches' linear maps alone, by torch.nn.functional.linear

Contract
- Rows are cut from the corpus' own tokens, one after the other; a short corpus is repeated to fill a batch.
- Both do the same batches, in the Tagger's own precision and in the same processes: their times divide.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import linear

from candidates.flops import EncoderShape
from candidates.protocol import Round, Task
from candidates.tagger import read_documents
from cardio_ner.encoder import choose_device, choose_dtype
from cardio_ner.tagger import Tagger

Batches = NDArray[np.int32]
"""Token ids [batches, rows, tokens of a window without the special ones]."""


def full_batches(ids: NDArray[np.int32], n_rows: int, row_tokens: int) -> Batches:
    """As many full batches as the ids fill, and one at least."""
    n_batches = max(1, len(ids) // (n_rows * row_tokens))
    return np.resize(ids, (n_batches, n_rows, row_tokens))


class Worker:
    """One process' encoder, and matrices of its shapes. Loaded by `load`, once per process."""

    tagger: Tagger
    weights: list[torch.Tensor]

    @classmethod
    def load(cls, checkpoint: str, threads: int) -> None:
        """Load the checkpoint; of each linear map a matrix of its own, as the encoder has them."""
        torch.set_num_threads(threads)
        cls.tagger = Tagger.load(checkpoint, device="cpu")
        dtype = choose_dtype("auto", choose_device("cpu"))
        shape = shape_of(checkpoint)
        cls.weights = [
            torch.randn(outputs, inputs, dtype=dtype)
            for _ in range(shape.layers)
            for inputs, outputs in shape.linears()
        ]

    @classmethod
    def forward(cls, batches: Batches) -> None:
        """The encoder over each batch."""
        for rows in batches:
            cls.tagger.encoder.log_probabilities(list(rows))

    @classmethod
    def matrices(cls, batches: Batches) -> None:
        """The linear maps' multiplications for each batch."""
        n_batches, n_rows, row_tokens = batches.shape
        n_tokens = n_rows * (row_tokens + cls.tagger.encoder.tokenizer.n_special_tokens)
        inputs = {size: torch.randn(n_tokens, size, dtype=cls.weights[0].dtype) for size in cls.sizes()}
        with torch.inference_mode():
            for _ in range(n_batches):
                for weight in cls.weights:
                    linear(inputs[weight.shape[1]], weight)

    @classmethod
    def sizes(cls) -> set[int]:
        """How wide the inputs of the linear maps are."""
        return {weight.shape[1] for weight in cls.weights}


def shape_of(checkpoint: str) -> EncoderShape:
    """The sizes of a checkpoint's encoder."""
    return EncoderShape.of(json.loads(Path(checkpoint, "config.json").read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Bare:
    """The candidate: pools of processes by their layout, each started when it is first asked for."""

    task: Task
    facts: dict[str, Any]
    pools: dict[str, ProcessPoolExecutor] = field(default_factory=dict)

    @cached_property
    def tagger(self) -> Tagger:
        """For its tokenizer and its window."""
        return Tagger.load(self.task.checkpoint, device="cpu")

    def run(self, variant: str, corpus: str) -> Round:
        """All batches, dealt out to the processes."""
        kind, layout = variant.split()
        n_processes = int(layout.split("x")[0])
        batches = self.batches(corpus, n_processes)
        pool = self.pool(layout)
        started = time.perf_counter()
        work = [pool.submit(getattr(Worker, kind), share) for share in np.array_split(batches, n_processes)]
        for share in work:
            share.result()
        seconds = time.perf_counter() - started
        n_batches, n_rows, _ = batches.shape
        return Round(seconds, window_tokens=n_batches * n_rows * self.task.window_tokens)

    def batches(self, corpus: str, n_processes: int) -> Batches:
        """The corpus' tokens in full batches; the same number for each process."""
        tokens = self.tagger.encoder.tokenizer([document.text for document in read_documents(corpus)])
        row_tokens = self.task.window_tokens - self.tagger.encoder.tokenizer.n_special_tokens
        n_rows = self.tagger.tokens_per_batch // self.task.window_tokens
        batches = full_batches(np.concatenate([each.ids for each in tokens]), n_rows, row_tokens)
        n_batches = max(n_processes, len(batches) // n_processes * n_processes)
        return np.resize(batches, (n_batches, n_rows, row_tokens))

    def pool(self, layout: str) -> ProcessPoolExecutor:
        """P processes of T threads."""
        if layout not in self.pools:
            n_processes, threads = map(int, layout.split("x"))
            self.pools[layout] = ProcessPoolExecutor(
                n_processes,
                multiprocessing.get_context("spawn"),
                initializer=Worker.load,
                initargs=(self.task.checkpoint, threads),
            )
        return self.pools[layout]


def open_candidate(task: Task) -> Bare:
    """What the counts of operations rest on; processes start with their first round."""
    shape = shape_of(task.checkpoint)
    return Bare(
        task,
        {
            "dtype": str(choose_dtype("auto", choose_device("cpu"))),
            "layouts": sorted({f"1x{task.cores}", f"{task.cores}x1"}),
            "flops_per_token": shape.flops_per_token(task.window_tokens),
            "linear_flops_per_token": shape.linear_flops_per_token() - 2 * shape.hidden * shape.labels,
        },
    )
