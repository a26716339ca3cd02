"""`Tagger.tag` over all documents, with all cores as threads: no Spark."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import pyarrow.parquet as pq
import torch

from candidates.protocol import Found, Round, Task
from cardio_ner.document import Document
from cardio_ner.tagger import Tagger
from cardio_ner.windows import cut_windows


def read_documents(corpus: str) -> list[Document]:
    """The documents of a corpus folder."""
    rows = pq.read_table(corpus, columns=["doc_id", "language", "text"]).to_pylist()
    return [Document(**row) for row in rows]


def window_tokens_of(n_tokens: int, tagger: Tagger) -> int:
    """What the encoder reads of a text of so many tokens: overlap and special tokens counted, padding not."""
    special = tagger.encoder.tokenizer.n_special_tokens
    windows = cut_windows(n_tokens, window_tokens=tagger.window_tokens - special, overlap_tokens=tagger.overlap_tokens)
    return sum(window.end - window.start + special for window in windows)


@dataclass(frozen=True, slots=True)
class InOneProcess:
    """A loaded Tagger."""

    tagger: Tagger
    facts: dict[str, Any] = field(default_factory=dict)

    def run(self, variant: str, corpus: str) -> Round:  # noqa: ARG002  there is one
        """Tag the corpus once; reading its file is not timed."""
        documents = read_documents(corpus)
        started = time.perf_counter()
        tagged = list(self.tagger.tag_counted(documents))
        seconds = time.perf_counter() - started
        found = [
            Found(document.doc_id, span.start, span.end, span.entity_type)
            for document in (each.document for each in tagged)
            for span in document.spans
        ]
        window_tokens = sum(window_tokens_of(each.n_tokens, self.tagger) for each in tagged)
        return Round(seconds, len(tagged), sum(each.n_tokens for each in tagged), window_tokens, tuple(found))


def open_candidate(task: Task) -> InOneProcess:
    """Load the checkpoint on the CPU."""
    torch.set_num_threads(task.cores)
    return InOneProcess(Tagger.load(task.checkpoint, device="cpu"))
