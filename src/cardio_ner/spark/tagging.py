"""Documents of one language in, one outcome each: the work of a Python worker, or of its child (see isolation.py).

Contract
- A document that raises costs its own row: `failed` and the error's type. It is found by halving.
- An error that says nothing about a document (no room on the device, a lost GPU, a checkpoint that is not the driver's)
  is raised: it ends the task.
- Weights are loaded once per process, checkpoint and device, from a path: never broadcast, never pickled.
- No text reaches stdout or stderr, which end in an executor's log: native code may print what it chokes on.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from cardio_ner.document import Document
from cardio_ner.encoder import choose_device, limit_memory
from cardio_ner.errors import CheckpointError, DeviceError
from cardio_ner.spark.placement import Place
from cardio_ner.spark.settings import Model
from cardio_ner.tagger import TaggedDocument, Tagger

Outcome = dict[str, Any]
"""What tagging adds to a row: status, n_tokens and spans; or reason and error_type."""

_NO_DOCUMENTS_FAULT = (DeviceError, KeyboardInterrupt, SystemExit, GeneratorExit)


@dataclass(frozen=True, slots=True)
class TaggerSpec:
    """Which tagger a group of documents needs."""

    model: Model
    place: Place
    precision: str
    max_tokens_per_batch: int | None


def tag_each(spec: TaggerSpec, documents: Sequence[Document]) -> list[Outcome]:
    """One outcome per document, in order. Raises CheckpointError or DeviceError."""
    tagger = load_tagger(spec)

    def tag(some: Sequence[Document]) -> list[Outcome]:
        with silence():
            return [_annotated(tagged) for tagged in tagger.tag_counted(some)]

    return isolate(tag, documents, blamed=BaseException)  # a panic of Rust code is no Exception


def isolate(
    tag: Callable[[Sequence[Document]], list[Outcome]], documents: Sequence[Document], *, blamed: type[BaseException]
) -> list[Outcome]:
    """What `tag` makes of the documents; where it raises `blamed`, of each half, down to the one that is at fault."""
    try:
        return tag(documents)
    except _NO_DOCUMENTS_FAULT:
        raise
    except blamed as error:
        if len(documents) == 1:
            return [failure(error)]
    half = len(documents) // 2
    return isolate(tag, documents[:half], blamed=blamed) + isolate(tag, documents[half:], blamed=blamed)


def failure(error: BaseException) -> Outcome:
    """The outcome of a document that raised: the error's type and no word of its message, which may quote the text."""
    return {"reason": "failed", "error_type": type(error).__name__}


@cache
def load_tagger(spec: TaggerSpec) -> Tagger:
    """This process's tagger of that kind, loaded once. Raises CheckpointError if this machine holds another one."""
    model, device = spec.model, spec.place.device
    limit_memory(choose_device(device), spec.place.memory_share)
    tagger = Tagger.load(
        model.name, device=device, precision=spec.precision, max_tokens_per_batch=spec.max_tokens_per_batch
    )
    if tagger.model_id != model.model_id:
        raise CheckpointError(
            f"{model.name}: the driver has {model.model_id}, this worker {tagger.model_id}: expected one checkpoint on "
            "all machines; install the same package everywhere or point checkpoints to a shared path"
        )
    # Spark collects garbage after every task, which walks through all that torch is made of unless it is set aside.
    gc.collect()
    gc.freeze()
    return tagger


@contextmanager
def silence() -> Iterator[None]:
    """File descriptors 1 and 2 lead nowhere."""
    kept = os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        for descriptor, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, descriptor)
        for descriptor in (*kept, nowhere):
            os.close(descriptor)


def _annotated(tagged: TaggedDocument) -> Outcome:
    document = tagged.document
    mentions = [
        {
            "entity_type": span.entity_type,
            "start_offset": span.start,
            "end_offset": span.end,
            "text": document.mention(span),
            "score": span.score,
        }
        for span in document.spans
    ]
    return {"status": "annotated", "n_tokens": tagged.n_tokens, "spans": mentions}
