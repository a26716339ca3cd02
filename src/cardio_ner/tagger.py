"""Tagger: documents in, the same documents with mentions out, in order, any length, bounded memory.

    documents ─► tokens ─► windows ─► token-budget batches ─► encoder ─► each token's most central copy
              ─► best legal BIO path per group ─► spans

Contract
- Nothing is truncated: a text longer than a window is read in overlapping windows.
- A device that runs out of memory gets smaller batches, down to the smallest there is; then DeviceError. The texts
  read next begin with the whole budget again: what filled the device may have gone.
- Memory: texts are read ahead up to LOOK_AHEAD_CHARS (or one longer document), logits live for one batch, and
  K float32 per token of the texts read ahead remain.
- Same checkpoint, same document, any company: the same spans, in bf16 too (see `batching`); scores within 0.02.
- A mention's score is the least probability over its units (tokens or words), each that of the unit's tag; for the
  last unit, also the probability that the mention does not go on. The checkpoint's temperatures, if it has any, make
  it the share of such mentions that are right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cardio_ner.batching import pack_batches, padded_length, rows_to_compute
from cardio_ner.checkpoint import Boundaries, Checkpoint, packaged_model
from cardio_ner.decoding import best_legal_path, tempered, unit_certainty
from cardio_ner.document import LANGUAGES, Document, Span
from cardio_ner.encoder import Encoder
from cardio_ner.errors import DeviceError
from cardio_ner.tags import Floats
from cardio_ner.tidying import tidy
from cardio_ner.tokenization import Tokens
from cardio_ner.windows import cut_windows

LOOK_AHEAD_CHARS = 1_000_000
MAX_TOKENS_PER_BATCH = 4096


@dataclass(frozen=True, slots=True)
class TaggedDocument:
    """A document with its mentions, and how many tokens the model read in it (overlap not counted twice)."""

    document: Document
    n_tokens: int


@dataclass(frozen=True, slots=True)
class Tagger:
    """A loaded checkpoint, ready to tag. Make one with `Tagger.load`."""

    encoder: Encoder
    model_id: str
    window_tokens: int
    overlap_tokens: int
    boundaries: Boundaries
    max_tokens_per_batch: int = MAX_TOKENS_PER_BATCH
    temperatures: tuple[float, ...] = ()
    tidied: bool = False

    @classmethod
    def load(
        cls,
        checkpoint: str | Path | Checkpoint,
        *,
        device: str = "auto",
        precision: str = "auto",
        max_tokens_per_batch: int = MAX_TOKENS_PER_BATCH,
    ) -> Tagger:
        """Load from a folder, a hub name, or the language code of a checkpoint that ships (`es`, `en`, `it`)."""
        if not isinstance(checkpoint, Checkpoint):
            name = checkpoint
            ships = isinstance(name, str) and name in LANGUAGES and not Path(name).is_dir()
            checkpoint = Checkpoint.open(packaged_model(str(name)) if ships else name)
        manifest = checkpoint.manifest
        return cls(
            Encoder.load(checkpoint, device=device, precision=precision),
            checkpoint.model_id,
            manifest.window_tokens,
            manifest.overlap_tokens,
            manifest.boundaries,
            max_tokens_per_batch,
            manifest.temperatures,
            manifest.tidied,
        )

    def tag(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents, in order, their spans replaced by those that the model finds."""
        for tagged in self.tag_counted(documents):
            yield tagged.document

    def tag_counted(self, documents: Iterable[Document]) -> Iterator[TaggedDocument]:
        """As `tag`, with token counts."""
        for document, tokens, logp_TK in self.label_probabilities(documents):
            yield TaggedDocument(document.with_spans(self.spans(document, tokens, logp_TK)), len(tokens))

    def label_probabilities(self, documents: Iterable[Document]) -> Iterator[tuple[Document, Tokens, Floats]]:
        """Each document with its tokens and the log-probabilities [T, K] of their labels, normalised within groups."""
        for group in _read_ahead(documents):
            tokens = self.encoder.tokenizer([document.text for document in group])
            yield from zip(group, tokens, self._run(tokens), strict=True)

    def _run(self, tokens: list[Tokens]) -> list[Floats]:
        """Log-probabilities [T, K] of each text's tokens, from the window in which each token is most central."""
        inner_tokens = self.window_tokens - self.encoder.tokenizer.n_special_tokens
        windows = [
            (text, window)
            for text, its_tokens in enumerate(tokens)
            for window in cut_windows(len(its_tokens), window_tokens=inner_tokens, overlap_tokens=self.overlap_tokens)
        ]
        n_labels = self.encoder.scheme.n_labels
        results = [np.empty((len(its_tokens), n_labels), dtype=np.float32) for its_tokens in tokens]
        for i, logp_tK in self._log_probabilities([tokens[text].ids[w.start : w.end] for text, w in windows]):
            text, w = windows[i]
            results[text][w.keep_start : w.keep_end] = logp_tK[w.keep_start - w.start : w.keep_end - w.start]
        return results

    def _log_probabilities(self, rows: list[NDArray[np.int32]]) -> Iterator[tuple[int, Floats]]:
        """Each row's position and log-probabilities [t, K], batch by batch; the budget of tokens is halved, and what is
        left packed anew, whenever the device runs out of memory."""
        widths = [padded_length(len(row) + self.encoder.tokenizer.n_special_tokens) for row in rows]
        budget = self.max_tokens_per_batch
        left = set(range(len(rows)))
        while left:
            waiting = sorted(left)
            for places in pack_batches([widths[i] for i in waiting], max_tokens_per_batch=budget):
                batch = [waiting[place] for place in places]
                try:
                    found = self.encoder.log_probabilities([rows[i] for i in batch])
                except torch.OutOfMemoryError:
                    budget = _half_as_many_tokens(len(batch), widths[batch[0]])
                    break
                left.difference_update(batch)
                yield from zip(batch, found, strict=True)

    def spans(self, document: Document, tokens: Tokens, logp_TK: Floats) -> list[Span]:
        """The mentions of a document, from what `label_probabilities` gives of it."""
        found = self._decode(tokens, logp_TK)
        return tidy(document.text, found, document.language) if self.tidied else found

    def _decode(self, tokens: Tokens, logp_TK: Floats) -> list[Span]:
        starts, ends = tokens.starts, tokens.ends
        if self.boundaries == "word":
            first, starts, ends = tokens.word_places()
            logp_TK = logp_TK[first]
        scheme = self.encoder.scheme
        tags, scores = [], []
        temperatures = self.temperatures or (1.0,) * len(scheme.groups)
        for group, columns, temperature in zip(scheme.groups, scheme.slices, temperatures, strict=True):
            logp = logp_TK[:, columns]
            path = best_legal_path(logp, group)
            tags.append(path)
            scores.append(unit_certainty(tempered(logp, temperature) if temperature != 1 else logp, path, group))
        return scheme.decode(np.stack(tags), starts, ends, np.stack(scores))


def _half_as_many_tokens(n_rows: int, width_tokens: int) -> int:
    """The budget after a batch of that shape was too much. Raises DeviceError where no batch computes less."""
    if n_rows <= rows_to_compute(1, width_tokens):
        raise DeviceError(
            f"out of memory on a batch of {n_rows} x {width_tokens} tokens: expected room for the smallest batch; give "
            "each task more of the GPU (spark.task.resource.gpu.amount), or keep other programs off it"
        )
    return n_rows * width_tokens // 2


def _read_ahead(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Documents in groups of LOOK_AHEAD_CHARS, or one longer document alone with those before it."""
    group: list[Document] = []
    chars = 0
    for document in documents:
        group.append(document)
        chars += len(document.text)
        if chars >= LOOK_AHEAD_CHARS:
            yield group
            group, chars = [], 0
    if group:
        yield group
