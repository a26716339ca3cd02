"""Floating-point operations of a BERT's forward pass: products of matrices, a multiplication and an addition each.

Norms, activations and softmax are not counted: they are no work of the matrix units. Checked against torch's own
counter in tests/benchmarks/test_flops.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """The sizes that the count depends on."""

    layers: int
    hidden: int
    intermediate: int
    labels: int

    @classmethod
    def of(cls, config: dict[str, Any]) -> EncoderShape:
        """From a checkpoint's config.json."""
        layers, hidden, intermediate = (
            int(config[name]) for name in ("num_hidden_layers", "hidden_size", "intermediate_size")
        )
        return cls(layers, hidden, intermediate, len(config["id2label"]))

    def linears(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of one layer's linear maps: query, key, value, output; into and out of the wide part."""
        wide = [(self.hidden, self.intermediate), (self.intermediate, self.hidden)]
        return [(self.hidden, self.hidden)] * 4 + wide

    def linear_flops_per_token(self) -> int:
        """Of the linear maps of all layers and of the head."""
        a_layer = sum(2 * inputs * outputs for inputs, outputs in self.linears())
        return self.layers * a_layer + 2 * self.hidden * self.labels

    def flops_per_token(self, window_tokens: int) -> int:
        """With attention's two products, each `window x hidden` for a token."""
        return self.linear_flops_per_token() + self.layers * 2 * 2 * window_tokens * self.hidden
