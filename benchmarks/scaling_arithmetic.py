"""From what was measured on a few notes to what many would take: values and arithmetic alone.

    notes ─► words ─► tokens ─► window tokens ─► core-hours or GPU-hours ─► executors, cost
    notes ─► rows, bytes, files, batches

Contract: each function is one line of docs/scaling.md. Names carry units; nothing is rounded before it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

SECONDS_AN_HOUR = 3600
SPAN_PARTITIONS = 4
"""Of what ships: diseases in Spanish, medications in Spanish, English and Italian."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What is counted of notes of one length, on average over three languages; no time is in it."""

    words: float
    tokens: float
    window_tokens: float
    """What the encoder reads of a note: overlaps count twice, special tokens and padding too."""
    mentions: float
    text_bytes: float
    parquet_bytes: float
    """Of input files."""

    def of_words(self, words: float) -> Sample:
        """Notes of another length, all in proportion."""
        share = words / self.words
        return Sample(*(share * value for value in self._values()))

    def _values(self) -> tuple[float, ...]:
        return self.words, self.tokens, self.window_tokens, self.mentions, self.text_bytes, self.parquet_bytes


@dataclass(frozen=True, slots=True)
class Tables:
    """Bytes of a row of the output's tables, on disk."""

    document_bytes: float
    span_bytes: float


@dataclass(frozen=True, slots=True)
class Output:
    """What many notes leave."""

    batches: int
    span_rows: float
    document_bytes: float
    span_bytes: float
    files: int


def output_of(n_notes: int, sample: Sample, tables: Tables, *, batch_bytes: int, file_bytes: int) -> Output:
    """Batches, rows, bytes and files: each table of a batch (of spans, each partition) has files of at most about
    `file_bytes`, and the ledger one."""
    batches = ceil(n_notes * sample.parquet_bytes / batch_bytes)
    document_bytes = n_notes * tables.document_bytes
    span_bytes = n_notes * sample.mentions * tables.span_bytes
    of_documents = ceil(document_bytes / batches / file_bytes)
    of_spans = SPAN_PARTITIONS * ceil(span_bytes / batches / SPAN_PARTITIONS / file_bytes)
    files = batches * (of_documents + of_spans + 1)
    return Output(batches, n_notes * sample.mentions, document_bytes, span_bytes, files)


def core_hours(n_notes: int, sample: Sample, *, words_per_second_per_core: float) -> float:
    """Notes by the rate at which the whole job reads words on one core."""
    return n_notes * sample.words / words_per_second_per_core / SECONDS_AN_HOUR


def gpu_hours(n_notes: int, tokens_per_note: float, *, tokens_per_second: float) -> float:
    """Notes by the rate at which one GPU reads their tokens; both count window tokens, or neither does."""
    return n_notes * tokens_per_note / tokens_per_second / SECONDS_AN_HOUR


def cores_to_feed(window_tokens_per_second: float, sample: Sample, *, other_seconds_per_note: float) -> float:
    """Cores that do all but the encoder's work for one GPU: rows, tokens, decoding, tables."""
    return window_tokens_per_second / sample.window_tokens * other_seconds_per_note


def hours(core_hours: float, *, cores: int, batches: int, any_batch_seconds: float) -> float:
    """On so many cores, with what any batch costs while they wait."""
    return core_hours / cores + batches * any_batch_seconds / SECONDS_AN_HOUR
