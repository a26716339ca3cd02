"""The fast path: BERT's own forward pass over rows that stand end to end, with no padding anywhere.

Contract
- The logits of `PaddedModel` on the same weights, but for rounding; the dropout of training is not here.
- Query, key and value are one matrix; every matrix lies as the chip wants it (see linear.py); after attention a CPU
  takes a layer block by block, so that the four times wider middle stays in its cache.
- The last layer goes on with the wanted tokens alone: those that the overlap of windows reads twice, special tokens and
  those that the decoder never looks at have been looked at by then, and that is all they are for.
- BERT and RoBERTa, and what is built like them (XLM-RoBERTa, CamemBERT): `is_packable` says whether a model is. It is
  made of config.json and the named weights alone: transformers, whose import takes longer than torch's, is not needed.
  J. Devlin et al., arXiv 1810.04805; Y. Liu et al., arXiv 1907.11692. Rows end to end: M. Krell et al., arXiv
  2107.02027.

Shapes: N tokens of all rows (a CPU adds idle ones, see `cost`), U wanted, C channels, K labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from cardio_ner.batching import pack_in_order
from cardio_ner.engine.attention import Attention, RowLengths, choose_attention
from cardio_ner.engine.contract import MIN_TOKENS, Positions, Row, upload
from cardio_ner.engine.linear import Linear

BODIES = {"bert": "bert", "roberta": "roberta", "xlm-roberta": "roberta", "camembert": "roberta"}
"""model_type of config.json → what the names of embeddings and layers begin with."""

SAID = {
    "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "id2label",
    "max_position_embeddings", "type_vocab_size", "layer_norm_eps", "pad_token_id",
}  # fmt: skip
"""What config.json must say: transformers may leave its defaults out."""

STEP_TOKENS = 64
"""On a CPU products have a multiple of so many rows: oneDNN compiles a program for every number of them that it meets,
and keeps a thousand."""

Weights = Mapping[str, torch.Tensor]
"""By the names that transformers gives them."""


@dataclass(frozen=True, slots=True)
class Norm:
    """Layer normalisation."""

    weight_C: torch.Tensor
    bias_C: torch.Tensor
    eps: float

    @classmethod
    def of(cls, weights: Weights, name: str, eps: float) -> Norm:
        """That of the name."""
        return cls(weights[f"{name}.weight"].detach(), weights[f"{name}.bias"].detach(), eps)

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
    def of(cls, weights: Weights, name: str, eps: float) -> Layer:
        """That of the name."""
        three = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
        return cls(
            Linear(*(torch.cat([weights[f"{part}.{kind}"] for part in three]) for kind in ("weight", "bias"))),
            _linear(weights, f"{name}.attention.output.dense"),
            Norm.of(weights, f"{name}.attention.output.LayerNorm", eps),
            _linear(weights, f"{name}.intermediate.dense"),
            _linear(weights, f"{name}.output.dense"),
            Norm.of(weights, f"{name}.output.LayerNorm", eps),
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
    attention: Attention

    @classmethod
    def of(cls, config: Mapping[str, Any], weights: Weights) -> PackedBert:
        """Of config.json and the weights (see `is_packable`), which may be dropped afterwards."""
        body, eps = BODIES[config["model_type"]], config["layer_norm_eps"]
        words_VC = weights[f"{body}.embeddings.word_embeddings.weight"].detach()
        places_PC = weights[f"{body}.embeddings.position_embeddings.weight"]
        return cls(
            words_VC,
            (places_PC + weights[f"{body}.embeddings.token_type_embeddings.weight"][0]).detach(),
            Norm.of(weights, f"{body}.embeddings.LayerNorm", eps),
            tuple(
                Layer.of(weights, f"{body}.encoder.layer.{layer}", eps) for layer in range(config["num_hidden_layers"])
            ),
            _linear(weights, "classifier"),
            config["num_attention_heads"],
            0 if config["model_type"] == "bert" else config["pad_token_id"] + 1,
            choose_attention(words_VC.device, words_VC.dtype),
        )

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.words_VC.device

    @property
    def dtype(self) -> torch.dtype:
        """The weights' type."""
        return self.words_VC.dtype

    def describe(self) -> str:
        """As the log and `cardio-ner doctor` say it."""
        layout = "oneDNN's layout" if self.head.is_packed else "torch's layout"
        return f"packed rows, attention {self.attention.__name__}, {self.dtype} in {layout} on {self.device}"

    def batches(self, lengths_tokens: Sequence[int], *, max_tokens: int) -> list[list[int]]:
        """Rows of like length together, whatever it is."""
        if self.device.type == "cpu" and max_tokens > STEP_TOKENS:
            max_tokens -= max_tokens % STEP_TOKENS
        return pack_in_order(lengths_tokens, max_tokens=max_tokens)

    def cost(self, lengths_tokens: Sequence[int]) -> int:
        """The rows' tokens; on a CPU the next multiple of STEP_TOKENS, MIN_TOKENS at least."""
        return self._computed(sum(lengths_tokens))

    def _computed(self, n_tokens: int) -> int:
        """As how many so many tokens are computed."""
        return n_tokens if self.device.type != "cpu" else max(-(-n_tokens // STEP_TOKENS) * STEP_TOKENS, MIN_TOKENS)

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
        borders = [len(x_NC) // STEP_TOKENS * block // n_blocks * STEP_TOKENS for block in range(1, n_blocks)]
        blocks = zip(looked_NC.tensor_split(borders), x_NC.tensor_split(borders), strict=True)
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
        idle = self.cost(lengths.tolist()) - lengths.sum()
        ids_N = np.concatenate([*(rows[row] for row in order), np.zeros(idle, dtype=np.int64)])
        places_N = np.arange(lengths.sum()) - np.repeat(starts[order], lengths[order]) + self.first_place
        places_N = np.append(places_N, np.full(idle, self.first_place))
        wanted_U = np.concatenate(wanted) + np.repeat(starts, [len(its) for its in wanted])
        wanted_U = np.append(wanted_U, np.zeros(self._computed(len(wanted_U)) - len(wanted_U), dtype=np.int64))
        ids, places, wanted_places = (upload(array, self.device) for array in (ids_N, places_N, wanted_U))
        return ids, places, wanted_places, RowLengths.of(lengths[order].tolist(), self.device)


def is_packable(config: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]) -> bool:
    """Is it one of BODIES in its ordinary form, with a linear head, and every weight of the shape it should have?"""
    return (
        config.get("model_type") in BODIES
        and config.keys() >= SAID
        and config.get("hidden_act") == "gelu"
        and not config.get("is_decoder")
        and (config["model_type"] == "bert" or isinstance(config["pad_token_id"], int))  # where positions begin
        and config.get("position_embedding_type", "absolute") == "absolute"
        and all(tuple(shapes.get(name, ())) == shape for name, shape in weight_shapes(config).items())
    )


def weight_shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Every weight's name and shape, by config.json."""
    body, hidden, wide = BODIES[config["model_type"]], config["hidden_size"], config["intermediate_size"]
    linears = {
        "attention.self.query": (hidden, hidden),
        "attention.self.key": (hidden, hidden),
        "attention.self.value": (hidden, hidden),
        "attention.output.dense": (hidden, hidden),
        "intermediate.dense": (wide, hidden),
        "output.dense": (hidden, wide),
    }
    layers = [f"{body}.encoder.layer.{layer}" for layer in range(config["num_hidden_layers"])]
    of_linears = {f"{layer}.{name}": shape for layer in layers for name, shape in linears.items()}
    of_linears["classifier"] = (len(config["id2label"]), hidden)
    norms = [f"{layer}.{name}.LayerNorm" for layer in layers for name in ("attention.output", "output")]
    return {
        f"{body}.embeddings.word_embeddings.weight": (config["vocab_size"], hidden),
        f"{body}.embeddings.position_embeddings.weight": (config["max_position_embeddings"], hidden),
        f"{body}.embeddings.token_type_embeddings.weight": (config["type_vocab_size"], hidden),
        **{f"{name}.weight": shape for name, shape in of_linears.items()},
        **{f"{name}.bias": shape[:1] for name, shape in of_linears.items()},
        **{
            f"{name}.{kind}": (hidden,)
            for name in (*norms, f"{body}.embeddings.LayerNorm")
            for kind in ("weight", "bias")
        },
    }


def _linear(weights: Weights, name: str) -> Linear:
    return Linear(weights[f"{name}.weight"], weights[f"{name}.bias"])
