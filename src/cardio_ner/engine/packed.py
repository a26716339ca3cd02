"""The fast path: BERT's own forward pass over rows that stand end to end, with no padding anywhere.

Contract
- The logits of `PaddedModel` on the same weights, but for rounding; the dropout of training is not here.
- Query, key and value are one matrix; every matrix lies as the chip wants it (see linear.py); after attention a CPU
  takes a layer block by block, so that the four times wider middle stays in its cache.
- The last layer goes on with the wanted tokens alone: those that the overlap of windows reads twice, special tokens and
  those that the decoder never looks at have been looked at by then, and that is all they are for.
- BERT and RoBERTa, and what is built like them (XLM-RoBERTa, CamemBERT): `is_packable` says whether a model is.
  J. Devlin et al., arXiv 1810.04805; Y. Liu et al., arXiv 1907.11692. Rows end to end: M. Krell et al., arXiv
  2107.02027.

Shapes: N tokens of all rows (a CPU adds idle ones up to MIN_TOKENS), U wanted, C channels, K labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F
from transformers import PreTrainedModel

from cardio_ner.batching import pack_in_order
from cardio_ner.engine.attention import Attention, RowLengths, choose_attention
from cardio_ner.engine.contract import MIN_TOKENS, Positions, Row
from cardio_ner.engine.linear import Linear

BODIES = {"bert": "bert", "roberta": "roberta", "xlm-roberta": "roberta", "camembert": "roberta"}
"""model_type of config.json → the attribute of the model that holds embeddings and layers."""


@dataclass(frozen=True, slots=True)
class Norm:
    """Layer normalisation."""

    weight_C: torch.Tensor
    bias_C: torch.Tensor
    eps: float

    @classmethod
    def of(cls, module: torch.nn.LayerNorm) -> Norm:
        """That of a model."""
        return cls(module.weight.detach(), module.bias.detach(), module.eps)

    def __call__(self, x_NC: torch.Tensor) -> torch.Tensor:
        """[N, C]"""
        return F.layer_norm(x_NC, x_NC.shape[-1:], self.weight_C, self.bias_C, self.eps)


@dataclass(frozen=True, slots=True)
class Layer:
    """One transformer layer, its weights laid out."""

    qkv: Linear
    mix: Linear
    mix_norm: Norm
    widen: Linear
    narrow: Linear
    narrow_norm: Norm

    @classmethod
    def of(cls, layer: Any) -> Layer:
        """That of a BERT."""
        attention = layer.attention.self
        three = attention.query, attention.key, attention.value
        return cls(
            Linear(torch.cat([part.weight for part in three]), torch.cat([part.bias for part in three])),
            _linear(layer.attention.output.dense),
            Norm.of(layer.attention.output.LayerNorm),
            _linear(layer.intermediate.dense),
            _linear(layer.output.dense),
            Norm.of(layer.output.LayerNorm),
        )

    def after_attention(self, looked_NC: torch.Tensor, x_NC: torch.Tensor) -> torch.Tensor:
        """[N, C]: what the layer makes of what its tokens saw and of what they were."""
        x_NC = self.mix_norm(self.mix.plus(looked_NC, x_NC))
        return self.narrow_norm(self.narrow.plus(self.widen.gelu(x_NC), x_NC))


@dataclass(frozen=True, slots=True)
class PackedBert:
    """A BERT or RoBERTa with a token-classification head."""

    words_VC: torch.Tensor
    places_PC: torch.Tensor
    embedding_norm: Norm
    layers: tuple[Layer, ...]
    head: Linear
    n_heads: int
    first_place: int
    pad_id: int
    attention: Attention

    @classmethod
    def of(cls, model: PreTrainedModel, pad_id: int) -> PackedBert:
        """Of a loaded model (see `is_packable`), whose own weights may be dropped afterwards."""
        body = getattr(model, BODIES[model.config.model_type])
        embeddings = body.embeddings
        places_PC = embeddings.position_embeddings.weight + embeddings.token_type_embeddings.weight[0]
        return cls(
            embeddings.word_embeddings.weight.detach(),
            places_PC.detach(),
            Norm.of(embeddings.LayerNorm),
            tuple(Layer.of(layer) for layer in body.encoder.layer),
            _linear(model.classifier),
            model.config.num_attention_heads,
            0 if model.config.model_type == "bert" else embeddings.padding_idx + 1,
            pad_id,
            choose_attention(model.device, model.dtype),
        )

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.words_VC.device

    @property
    def dtype(self) -> torch.dtype:
        """The weights' type."""
        return self.words_VC.dtype

    def batches(self, lengths_tokens: Sequence[int], *, max_tokens: int) -> list[list[int]]:
        """Rows of like length together, whatever it is."""
        return pack_in_order(lengths_tokens, max_tokens=max_tokens)

    def cost(self, lengths_tokens: Sequence[int]) -> int:
        """The rows' tokens; on a CPU MIN_TOKENS at least."""
        return max(sum(lengths_tokens), MIN_TOKENS if self.device.type == "cpu" else 0)

    def logits(self, rows: Sequence[Row], wanted: Sequence[Positions]) -> torch.Tensor:
        """[U, K] float32, as `Engine` says."""
        ids_N, places_N, wanted_U, lengths = self._collate(rows, wanted)
        x_NC = self.embedding_norm(F.embedding(ids_N, self.words_VC) + F.embedding(places_N, self.places_PC))
        for layer in self.layers[:-1]:
            x_NC = self._in_blocks(layer, self._look(layer, x_NC, lengths), x_NC)
        last = self.layers[-1]
        looked_UC = self._look(last, x_NC, lengths).index_select(0, wanted_U)
        x_UC = self._in_blocks(last, looked_UC, x_NC.index_select(0, wanted_U))
        return self.head(x_UC)[: sum(map(len, wanted))].float()

    def _look(self, layer: Layer, x_NC: torch.Tensor, lengths: RowLengths) -> torch.Tensor:
        """[N, C]: what each token sees of its row."""
        return self.attention(layer.qkv(x_NC).view(len(x_NC), 3, self.n_heads, -1), lengths)

    def _in_blocks(self, layer: Layer, looked_NC: torch.Tensor, x_NC: torch.Tensor) -> torch.Tensor:
        """[N, C]: the rest of the layer; on a CPU in even blocks of MIN_TOKENS or more."""
        n_blocks = max(1, len(x_NC) // MIN_TOKENS) if self.device.type == "cpu" else 1
        blocks = zip(looked_NC.tensor_split(n_blocks), x_NC.tensor_split(n_blocks), strict=True)
        return torch.cat([layer.after_attention(looked, x) for looked, x in blocks])

    def _collate(
        self, rows: Sequence[Row], wanted: Sequence[Positions]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, RowLengths]:
        """Ids and places [N] of the rows, the longest first; where the wanted tokens stand [U, or as many as are
        computed], in the rows' own order; the lengths."""
        lengths = np.array([len(row) for row in rows])
        order = np.argsort(-lengths, kind="stable")
        starts = np.empty_like(lengths)
        starts[order] = np.cumsum(lengths[order]) - lengths[order]
        n_tokens = self.cost(lengths.tolist())
        ids_N = np.full(n_tokens, self.pad_id, dtype=np.int64)
        places_N = np.full(n_tokens, self.first_place, dtype=np.int64)
        for row, start in zip(rows, starts, strict=True):
            ids_N[start : start + len(row)] = row
            places_N[start : start + len(row)] += np.arange(len(row))
        wanted_U = np.concatenate([start + its for start, its in zip(starts, wanted, strict=True)])
        wanted_U = np.append(wanted_U, np.zeros(max(0, self.cost([1]) - len(wanted_U)), dtype=np.int64))
        ids, places, wanted_places = (self._to_device(array) for array in (ids_N, places_N, wanted_U))
        return ids, places, wanted_places, RowLengths.of(lengths[order].tolist(), self.device)

    def _to_device(self, array: NDArray[np.int64]) -> torch.Tensor:
        """As a tensor; to a GPU from pinned memory, without waiting."""
        tensor = torch.from_numpy(array)
        return tensor if self.device.type == "cpu" else tensor.pin_memory().to(self.device, non_blocking=True)


def is_packable(model: PreTrainedModel) -> bool:
    """Is it one of BODIES in its ordinary form?"""
    config = model.config
    return (
        config.model_type in BODIES
        and config.hidden_act == "gelu"
        and not config.is_decoder
        and getattr(config, "position_embedding_type", "absolute") == "absolute"
        and isinstance(getattr(model, "classifier", None), torch.nn.Linear)
    )


def _linear(module: Any) -> Linear:
    return Linear(module.weight, module.bias)
