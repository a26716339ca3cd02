"""Tagger: documents in, the same documents with mentions out, in order, any length, bounded memory.

    documents ─► tokens ─► windows ─► token-budget batches ─► encoder ─► each token's most central copy
              ─► best legal BIO path per group ─► spans

Contract
- Nothing is truncated: a text longer than a window is read in overlapping windows.
- A device that runs out of memory gets smaller batches, down to the smallest there is; then DeviceError. The texts
  read next begin with the whole budget again: what filled the device may have gone.
- Memory: texts are read ahead up to twice LOOK_AHEAD_CHARS (or one longer document); K float32 per token of the texts
  at hand stay on the device until mentions are decoded there, which takes two or three times as much again. Where it
  has no such room, the CPU does that.
- No mention begins or ends with white space.
- Same checkpoint, same document, any company: the same spans, in bf16 too (see `engine`); scores within 0.02.
- A mention's score is the least probability over its units (tokens or words), each that of the unit's tag; for the
  last unit, also the probability that the mention does not go on. The checkpoint's temperatures, if it has any, make
  it the share of such mentions that are right.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cardio_ner.budget import half_as_many_tokens, suitable_tokens
from cardio_ner.checkpoint import Boundaries, Checkpoint, language_that_ships, packaged_model
from cardio_ner.decoding import decode
from cardio_ner.document import Document, Span
from cardio_ner.encoder import Encoder, device_errors
from cardio_ner.engine.contract import Positions, Row, upload
from cardio_ner.tags import Floats
from cardio_ner.tidying import tidy
from cardio_ner.windows import cut_windows
from cardio_ner.word_table import Tokens

LOOK_AHEAD_CHARS = 1_000_000


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
    max_tokens_per_batch: int | None = None
    temperatures: tuple[float, ...] = ()
    tidied: bool = False

    @classmethod
    def load(
        cls,
        checkpoint: str | Path | Checkpoint,
        *,
        device: str = "auto",
        precision: str = "auto",
        max_tokens_per_batch: int | None = None,
    ) -> Tagger:
        """From a folder, a hub name, or the language code of a checkpoint that ships (a folder of notes may have that
        name: a folder of the working directory that is meant is `./es`, or a Path)."""
        if not isinstance(checkpoint, Checkpoint):
            language = language_that_ships(checkpoint) if isinstance(checkpoint, str) else None
            checkpoint = Checkpoint.open(packaged_model(language) if language else checkpoint)
        manifest = checkpoint.manifest
        encoder = Encoder.load(checkpoint, device=device, precision=precision)
        return cls(
            encoder,
            checkpoint.model_id,
            manifest.window_tokens,
            manifest.overlap_tokens,
            manifest.boundaries,
            max_tokens_per_batch,
            manifest.temperatures,
            manifest.tidied,
        )

    @property
    def tokens_per_batch(self) -> int:
        """`max_tokens_per_batch`, or what suits the device where nobody says."""
        if self.max_tokens_per_batch is None:
            return suitable_tokens(self.encoder.engine.device)
        return self.max_tokens_per_batch

    def tag(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents, in order, their spans replaced by those that the model finds."""
        for tagged in self.tag_counted(documents):
            yield tagged.document

    def tag_counted(self, documents: Iterable[Document]) -> Iterator[TaggedDocument]:
        """As `tag`, with token counts."""
        for group, tokens in self._tokenised(documents):
            units = [self._units(its) for its in tokens]
            found = self._spans(group, tokens, units, self._run(tokens, units))
            for document, its, spans in zip(group, tokens, found, strict=True):
                yield TaggedDocument(document.with_spans(spans), len(its))

    def label_probabilities(self, documents: Iterable[Document]) -> Iterator[tuple[Document, Tokens, Floats]]:
        """Each document with its tokens and the log-probabilities [T, K] of their labels, normalised within groups."""
        for group, tokens in self._tokenised(documents):
            with device_errors():
                logp_UK = self._run(tokens, [np.arange(len(its)) for its in tokens]).cpu().numpy()
            yield from zip(group, tokens, np.split(logp_UK, np.cumsum([*map(len, tokens)])[:-1]), strict=True)

    def _tokenised(self, documents: Iterable[Document]) -> Iterator[tuple[list[Document], list[Tokens]]]:
        """Documents with their tokens, group by group; while one is with the encoder, another thread tokenises the
        next. (Documents are read in the caller's own: a database's cursor may refuse another.)"""
        with ThreadPoolExecutor(1) as thread:
            waiting: deque[tuple[list[Document], Future[list[Tokens]]]] = deque()
            for group in _read_ahead(documents):
                waiting.append((group, thread.submit(self.encoder.tokenizer, [document.text for document in group])))
                if len(waiting) > 1:
                    ready, tokens = waiting.popleft()
                    yield ready, tokens.result()
            for ready, tokens in waiting:
                yield ready, tokens.result()

    def spans(self, read: list[tuple[Document, Tokens, Floats]]) -> list[list[Span]]:
        """The mentions of each document, from what `label_probabilities` gives of it."""
        documents, tokens, logps = map(list, zip(*read, strict=True))
        units = [self._units(its) for its in tokens]
        logp_UK = torch.cat([torch.from_numpy(logp_TK[of]) for logp_TK, of in zip(logps, units, strict=True)])
        return self._spans(documents, tokens, units, logp_UK)

    def _units(self, tokens: Tokens) -> Positions:
        """[u] the tokens that tags are read from: every one, or the first of each word."""
        return np.flatnonzero(tokens.begins_word) if self.boundaries == "word" else np.arange(len(tokens))

    def _run(self, tokens: list[Tokens], wanted: list[Positions]) -> torch.Tensor:
        """[U, K] log-probabilities of all texts' wanted tokens, each from the window in which it is most central."""
        inner_tokens = self.window_tokens - self.encoder.tokenizer.n_special_tokens
        rows, places, targets = [], [], []
        before = 0
        for its_tokens, its in zip(tokens, wanted, strict=True):
            windows = cut_windows(len(its_tokens), window_tokens=inner_tokens, overlap_tokens=self.overlap_tokens)
            borders = np.searchsorted(its, [w.keep_start for w in windows] + [len(its_tokens)]).tolist()
            for w, first, last in zip(windows, borders, borders[1:], strict=False):
                rows.append(its_tokens.ids[w.start : w.end])
                places.append(its[first:last] - w.start)
                targets.append(np.arange(before + first, before + last))
            before += len(its)
        with device_errors():
            logp_UK = _room(before, self.encoder.scheme.n_labels, self.encoder.engine.device)
            for batch, part_uK in self._log_probabilities(rows, places):
                logp_UK = _put(logp_UK, np.concatenate([targets[row] for row in batch]), part_uK)
        return logp_UK

    def _log_probabilities(self, rows: list[Row], wanted: list[Positions]) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Batch by batch, the rows' positions and the log-probabilities [u, K] of what is wanted of them; the budget of
        tokens is halved, and what is left packed anew, whenever the device runs out of memory."""
        lengths = [len(row) + self.encoder.tokenizer.n_special_tokens for row in rows]
        budget = self.tokens_per_batch
        left = set(range(len(rows)))
        while left:
            waiting = sorted(left)
            for chosen in self.encoder.engine.batches([lengths[i] for i in waiting], max_tokens=budget):
                batch = [waiting[place] for place in chosen]
                try:
                    result = self.encoder.launch([rows[i] for i in batch], [wanted[i] for i in batch])
                except torch.OutOfMemoryError:
                    budget = half_as_many_tokens(self.encoder.engine, [lengths[i] for i in batch])
                    break
                left.difference_update(batch)
                yield batch, result

    def _spans(
        self, documents: list[Document], tokens: list[Tokens], units: list[Positions], logp_UK: torch.Tensor
    ) -> list[list[Span]]:
        """The mentions of each document, in reading order."""
        scheme, sizes = self.encoder.scheme, [len(its) for its in units]
        with device_errors():
            try:
                tags_GU, scores_GU = decode(logp_UK, scheme, sizes, self.temperatures)
            except torch.OutOfMemoryError:
                tags_GU, scores_GU = decode(logp_UK.cpu(), scheme, sizes, self.temperatures)
        borders = np.cumsum([0, *(len(document.text) for document in documents)])
        pairs = list(zip(tokens, units, borders, strict=False))
        starts = np.concatenate([its.starts[of] + border for its, of, border in pairs])
        ends = np.concatenate([its.ends[_lasts(of, len(its))] + border for its, of, border in pairs])
        found = scheme.decode(tags_GU, starts, ends, scores_GU)
        cuts = np.searchsorted([span.start for span in found], borders).tolist()
        return [
            self._own(document, found[first:last], by)
            for document, first, last, by in zip(documents, cuts, cuts[1:], borders.tolist(), strict=False)
        ]

    def _own(self, document: Document, found: list[Span], by: int) -> list[Span]:
        """A document's mentions at their places in its text, tidied if the checkpoint says so."""
        spans = sorted(its for span in found if (its := _placed(document.text, span, by)) is not None)
        return tidy(document.text, spans, document.language) if self.tidied else spans


def _placed(text: str, span: Span, by: int) -> Span | None:
    """A mention so far back, without outer white space (RoBERTa's kind has tokens of it); None where it is all."""
    mention = text[span.start - by : span.end - by]
    start = span.end - by - len(mention.lstrip())
    end = start + len(mention.strip())
    return Span(start, end, span.entity_type, span.score) if start < end else None


def _lasts(units: Positions, n_tokens: int) -> Positions:
    """[u] the last token of each unit."""
    return np.append(units[1:], n_tokens)[: len(units)] - 1


def _room(n_units: int, n_labels: int, device: torch.device) -> torch.Tensor:
    """[U, K] to be filled, on the device; on the CPU where the device has no such room."""
    try:
        return torch.empty(n_units, n_labels, device=device)
    except torch.OutOfMemoryError:
        return torch.empty(n_units, n_labels)


def _put(logp_UK: torch.Tensor, targets_u: Positions, part_uK: torch.Tensor) -> torch.Tensor:
    """With the part in its places; moved to the CPU where the device has no room to do that."""
    try:
        logp_UK[upload(targets_u, logp_UK.device)] = part_uK.to(logp_UK.device)
    except torch.OutOfMemoryError:
        logp_UK = logp_UK.cpu()
        logp_UK[torch.from_numpy(targets_u)] = part_uK.cpu()
    return logp_UK


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
