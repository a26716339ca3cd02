"""Gold documents → windows → padded batches with labels.

Contract: windows and tags are those of tagging (`cardio_ner.windows`, `cardio_ner.tags`): no train/serve skew. Each
example is one window; a token in the overlap of two windows is learnt in both. A type that was not annotated in a
document's corpus gets IGNORED labels, not `O`.

Shapes: t tokens of a window without special tokens, G groups, B windows, T longest window.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from cardio_ner.document import Document
from cardio_ner.tags import TagScheme
from cardio_ner.tokenization import DocumentTokenizer
from cardio_ner.windows import cut_windows

IGNORED = -100


def fresh_generator() -> np.random.Generator:
    """A generator that follows from torch's state, which moves on: the Trainer seeds it, saves it with its checkpoints
    and gives each process that makes batches another, so that a resumed run draws what the unbroken one would."""
    return np.random.default_rng(int(torch.randint(2**63 - 1, ())))


@dataclass(frozen=True, slots=True)
class Example:
    """One window: `ids` [t], `tags` [G, t], `begins_word` [t]; the language of its document; of a window that teachers
    labelled, `soft` [t, K] (see soft_labels.py)."""

    ids: NDArray[np.int32]
    tags: NDArray[np.int64]
    begins_word: NDArray[np.bool_]
    language: str
    soft: NDArray[np.float16] | None = None

    @classmethod
    def joined(cls, parts: Sequence[Example]) -> Example:
        """The parts, one after another; none has soft labels."""
        ids, begins = (np.concatenate([getattr(part, name) for part in parts]) for name in ("ids", "begins_word"))
        return cls(ids, np.concatenate([part.tags for part in parts], axis=1), begins, parts[0].language)

    def part(self, start: int, end: int) -> Example:
        """Its tokens `[start, end)`."""
        soft = None if self.soft is None else self.soft[start:end]
        return Example(self.ids[start:end], self.tags[:, start:end], self.begins_word[start:end], self.language, soft)


@dataclass(slots=True)
class EncodingReport:
    """What the tags could not carry, over a whole corpus (mentions)."""

    n_mentions: int = 0
    n_overlapping: int = 0
    n_widened: int = 0
    n_untagged: int = 0


class WindowDataset(Dataset[Example]):
    """A list of examples, as the Trainer wants it."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Example:
        return self.examples[index]


def make_examples(
    documents: Sequence[Document],
    *,
    annotated: frozenset[str],
    scheme: TagScheme,
    tokenizer: DocumentTokenizer,
    window_tokens: int,
    overlap_tokens: int,
    report: EncodingReport,
) -> list[Example]:
    """The windows of the documents; `report` is added to."""
    unknown = [g for g, group in enumerate(scheme.groups) if not annotated.issuperset(group.entity_types)]
    inner_tokens = window_tokens - tokenizer.n_special_tokens
    examples: list[Example] = []
    for document, tokens in zip(documents, tokenizer([d.text for d in documents]), strict=True):
        encoded = scheme.encode(document.spans, tokens.starts, tokens.ends)
        report.n_mentions += sum(span.entity_type in scheme.entity_types for span in document.spans)
        report.n_overlapping += encoded.n_overlapping
        report.n_widened += encoded.n_widened
        report.n_untagged += encoded.n_untagged
        encoded.tags_GT[unknown] = IGNORED
        examples.extend(
            Example(
                tokens.ids[w.start : w.end],
                encoded.tags_GT[:, w.start : w.end],
                tokens.begins_word[w.start : w.end],
                document.language,
            )
            for w in cut_windows(len(tokens), window_tokens=inner_tokens, overlap_tokens=overlap_tokens)
        )
    return examples


@dataclass(frozen=True, slots=True)
class Collator:
    """Examples → `input_ids`, `attention_mask` [B, T], `labels` [B, G, T] and, where one has them, `soft` [B, T, K].

    (Trainer saves whatever a collator calls `tokenizer`, and this one is no Hugging Face tokenizer.)
    """

    document_tokenizer: DocumentTokenizer
    mask_id: int | None
    masking: float
    """Share of the text's tokens that are hidden behind `mask_id`."""
    words_only: bool = False
    """Label the first token of each word alone: the one that is read where mentions begin and end with words."""
    change: Callable[[Example], Example] = lambda example: example
    """What is done to each example first (see replacement.py)."""

    def __call__(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        wrapping = self.document_tokenizer
        prefix, suffix = wrapping.prefix_ids, wrapping.suffix_ids
        changed = [self.change(example) for example in examples]
        shape = len(changed), max(len(e.ids) for e in changed) + len(prefix) + len(suffix)
        ids = np.full(shape, wrapping.pad_id, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        labels = np.full((shape[0], len(changed[0].tags), shape[1]), IGNORED, dtype=np.int64)
        for b, example in enumerate(changed):
            row = np.concatenate([prefix, self._hide(example.ids), suffix])
            ids[b, : len(row)] = row
            mask[b, : len(row)] = 1
            learnt = example.begins_word if self.words_only else np.ones(len(example.ids), dtype=bool)
            labels[b, :, len(prefix) : len(prefix) + len(example.ids)] = np.where(learnt, example.tags, IGNORED)
        arrays = {"input_ids": ids, "attention_mask": mask, "labels": labels} | self._soft(changed, shape)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def _soft(self, examples: Sequence[Example], shape: tuple[int, int]) -> dict[str, NDArray[np.float32]]:
        """Soft labels, rows of zeros where there are none."""
        labelled = {b: (e.soft, e.begins_word) for b, e in enumerate(examples) if e.soft is not None}
        if not labelled:
            return {}
        n_labels = next(iter(labelled.values()))[0].shape[1]
        soft_BTK = np.zeros((*shape, n_labels), dtype=np.float32)
        first = len(self.document_tokenizer.prefix_ids)
        for b, (soft, begins_word) in labelled.items():
            soft_BTK[b, first : first + len(soft)] = soft * begins_word[:, None] if self.words_only else soft
        return {"soft": soft_BTK}

    def _hide(self, ids: NDArray[np.int32]) -> NDArray[np.int32]:
        """The ids with some replaced by the mask token, drawn anew each time."""
        if self.mask_id is None or not self.masking:
            return ids
        return np.where(fresh_generator().random(len(ids)) < self.masking, np.int32(self.mask_id), ids)


def documents_digest(documents: Sequence[Document]) -> str:
    """sha256 over ids, languages, texts and mentions: two runs with one digest saw the same data."""
    digest = hashlib.sha256()
    for d in documents:
        spans = [(s.start, s.end, s.entity_type) for s in d.spans]
        digest.update(repr((d.doc_id, d.language, d.text, spans)).encode())
    return digest.hexdigest()
