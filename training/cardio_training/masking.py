"""Which words of a packed row are hidden, and which rows a run reads when.

Contract
- Whole words: all pieces of a word or none (Cui et al. 2019, arXiv 1906.08101). What is hidden becomes [MASK], always:
  at 25 % the usual 80-10-10 brings nothing (Wettig et al. 2023, arXiv 2202.08005).
- Everything follows from seed and place in the run, so that a resumed run goes on exactly where it stopped.

Shapes: B rows, T tokens with special ones, t tokens without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerFast

from cardio_training.dataset import IGNORED
from cardio_training.packing import PackedTexts, Region
from cardio_training.vocabulary import model_kind, piece_text


def word_starts(tokenizer: PreTrainedTokenizerFast) -> NDArray[np.bool_]:
    """Does a piece begin a word? [pieces]. Special pieces do; bytes do not."""
    kind = model_kind(tokenizer)
    starts = np.zeros(len(tokenizer), dtype=bool)
    for piece, row in tokenizer.get_vocab().items():
        read = piece_text(piece, kind)
        starts[row] = read is not None and read[1]
    starts[tokenizer.all_special_ids] = True
    return starts


@dataclass(frozen=True)
class RowsInOrder(Dataset[tuple[NDArray[np.uint16], int]]):
    """The rows of a whole run, pass after pass over the weighted rows, each shuffled: (row [t], place in the run)."""

    texts: PackedTexts
    order: NDArray[np.int64]

    @classmethod
    def plan(cls, texts: PackedTexts, rows: int, seed: int) -> RowsInOrder:
        """An order of so many rows."""
        passes: list[NDArray[np.int64]] = []
        while sum(map(len, passes)) < rows:
            passes.append(one_pass(texts.regions, np.random.default_rng((seed, len(passes)))))
        return cls(texts, np.concatenate(passes)[:rows])

    @classmethod
    def held_out(cls, texts: PackedTexts, language: str, at_most: int) -> RowsInOrder:
        """The held-out rows of a language, or as many as asked for, spread evenly over them."""
        parts = [np.arange(r.first, r.first + r.rows) for r in texts.regions if r.held_out and r.language == language]
        rows = np.concatenate(parts)
        return cls(texts, rows[np.unique(np.linspace(0, len(rows) - 1, min(at_most, len(rows))).round().astype(int))])

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: int) -> tuple[NDArray[np.uint16], int]:
        return self.texts.ids[self.order[place]], place


def one_pass(regions: Sequence[Region], generator: np.random.Generator) -> NDArray[np.int64]:
    """Rows of the regions to learn, each as often as its weight says (a fraction is drawn), shuffled."""
    rows = []
    for region in regions:
        if region.held_out:
            continue
        whole = int(region.weight)
        own = np.arange(region.first, region.first + region.rows)
        rows += [own] * whole
        rows.append(own[generator.random(len(own)) < region.weight - whole])
    order = np.concatenate(rows)
    generator.shuffle(order)
    return order


@dataclass(frozen=True, slots=True)
class MaskingCollator:
    """Rows with their places → `input_ids` and `labels` [B, T]; labels are IGNORED but for hidden tokens."""

    prefix_ids: tuple[int, ...]
    suffix_ids: tuple[int, ...]
    mask_id: int
    special_ids: tuple[int, ...]
    word_starts: NDArray[np.bool_]
    masking: float
    seed: int

    def __call__(self, rows: Sequence[tuple[NDArray[np.uint16], int]]) -> dict[str, torch.Tensor]:
        masked = [self._mask(ids.astype(np.int64), place) for ids, place in rows]
        silent = [IGNORED] * len(self.prefix_ids), [IGNORED] * len(self.suffix_ids)
        ids_BT = np.stack([np.concatenate([self.prefix_ids, ids, self.suffix_ids]) for ids, _ in masked])
        labels_BT = np.stack([np.concatenate([silent[0], labels, silent[1]]) for _, labels in masked])
        return {"input_ids": torch.from_numpy(ids_BT), "labels": torch.from_numpy(labels_BT)}

    def _mask(self, ids: NDArray[np.int64], place: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(ids with words hidden, labels), each [t]. At least one word is hidden, where there is one."""
        words = np.cumsum(self.word_starts[ids])
        chances = np.random.default_rng((self.seed, place)).random(words[-1] + 1)
        chances[words[np.isin(ids, self.special_ids)]] = 1
        chance_of = chances[words]
        hidden = (chance_of < max(self.masking, chance_of.min() + 1e-9)) & (chance_of < 1)
        return np.where(hidden, self.mask_id, ids), np.where(hidden, ids, IGNORED)
