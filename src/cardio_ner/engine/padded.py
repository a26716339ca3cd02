"""The plain path: a transformers model as it is, its rows padded to one width.

Contract
- A batch holds rows of one *padded width* (the row's own length rounded up to STEP_TOKENS): in bfloat16 the width of a
  batch moves the logits in their third digit, so a row's width follows from its own length, never from its neighbours'.
- Types of model that look at padding, whatever the mask says (LOOK_AT_PADDING), get none: their step is one token.
- Idle rows fill small batches, see MIN_TOKENS.

Shapes: B rows, T their width, K labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from cardio_ner.batching import STEP_TOKENS, group_by_width, padded_width
from cardio_ner.engine.contract import MIN_TOKENS, Positions, Row

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LOOK_AT_PADDING = {"convbert", "funnel"}
"""They convolve over it, or pool it with the text: padded rows get other logits than the same rows alone."""


@dataclass(frozen=True, slots=True)
class PaddedModel:
    """Any token-classification model of transformers."""

    model: PreTrainedModel
    pad_id: int

    @property
    def step_tokens(self) -> int:
        """Widths are multiples of it."""
        return 1 if self.model.config.model_type in LOOK_AT_PADDING else STEP_TOKENS

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """The weights' type."""
        return self.model.dtype

    def describe(self) -> str:
        """As the log and `cardio-ner doctor` say it."""
        return f"padded {type(self.model).__name__}, {self.dtype} on {self.device}"

    def batches(self, lengths_tokens: Sequence[int], *, max_tokens: int) -> list[list[int]]:
        """Rows of one padded width together."""
        return group_by_width(lengths_tokens, max_tokens=max_tokens, step_tokens=self.step_tokens)

    def cost(self, lengths_tokens: Sequence[int]) -> int:
        """Rows times width, idle rows counted."""
        rows, width = self._shape(lengths_tokens)
        return rows * width

    def logits(self, rows: Sequence[Row], wanted: Sequence[Positions]) -> torch.Tensor:
        """[U, K] float32, as `Engine` says."""
        ids_BT, mask_BT = self._collate(rows)
        logits_BTK: torch.Tensor = self.model(input_ids=ids_BT, attention_mask=mask_BT).logits
        width = ids_BT.shape[1]
        places = np.concatenate([b * width + positions for b, positions in enumerate(wanted)])
        return logits_BTK.flatten(0, 1)[torch.from_numpy(places).to(self.device)].float()

    def _collate(self, rows: Sequence[Row]) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows padded, idle rows below: ids and mask, each [B, T], on the device."""
        shape = self._shape([len(row) for row in rows])
        ids_BT = np.full(shape, self.pad_id, dtype=np.int64)
        mask_BT = np.zeros(shape, dtype=np.int64)
        mask_BT[len(rows) :, 0] = 1  # an idle row must look at something
        for b, row in enumerate(rows):
            ids_BT[b, : len(row)] = row
            mask_BT[b, : len(row)] = 1
        return torch.from_numpy(ids_BT).to(self.device), torch.from_numpy(mask_BT).to(self.device)

    def _shape(self, lengths_tokens: Sequence[int]) -> tuple[int, int]:
        """(rows to compute, their width); the width never passes the model's positions."""
        longest = max(lengths_tokens)
        padded = padded_width(longest, self.step_tokens)
        positions = getattr(self.model.config, "max_position_embeddings", None) or padded
        width = max(longest, min(padded, positions))
        return max(len(lengths_tokens), -(-MIN_TOKENS // width)), width
