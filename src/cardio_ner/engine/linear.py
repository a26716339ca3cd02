"""One affine map, its matrix laid out for the chip once, when it is loaded.

Contract
- On a CPU, oneDNN's own layout (`torch.ops.mkldnn`, what torch's compiler uses for frozen weights): no product
  reorders its matrix again. In bfloat16 GELU and the residual are taken within the product, where the numbers still
  are float32 in registers; in float32 that was no faster (AVX2), so they follow it.
- Elsewhere, or where oneDNN lacks the type on this chip: torch.nn.functional.linear.
- GELU is the exact one (erf), as in BERT.

Shapes: N tokens, I inputs, O outputs.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F


class Linear:
    """`x_NI -> x_NI @ weight_OI.T + bias_O`, and what usually follows it."""

    def __init__(self, weight_OI: torch.Tensor, bias_O: torch.Tensor) -> None:
        self._bias_O = bias_O.detach().contiguous()
        self._packed = _pack(weight_OI.detach().contiguous()) if onednn_takes(weight_OI) else None
        self._weight_OI = weight_OI.detach().contiguous() if self._packed is None else None
        self._fuses = self._packed is not None and weight_OI.dtype == torch.bfloat16

    @property
    def is_packed(self) -> bool:
        """Does its matrix lie in oneDNN's layout?"""
        return self._packed is not None

    def __call__(self, x_NI: torch.Tensor) -> torch.Tensor:
        """[N, O]"""
        if self._packed is None:
            assert self._weight_OI is not None
            return F.linear(x_NI, self._weight_OI, self._bias_O)
        return _pointwise(x_NI, self._packed, self._bias_O, "none", [], "")

    def gelu(self, x_NI: torch.Tensor) -> torch.Tensor:
        """[N, O] after GELU."""
        if self._fuses:
            return _pointwise(x_NI, self._packed, self._bias_O, "gelu", [], "none")
        return F.gelu(self(x_NI))

    def plus(self, x_NI: torch.Tensor, residual_NO: torch.Tensor) -> torch.Tensor:
        """[N, O] plus the residual."""
        if self._fuses:
            fused: torch.Tensor = torch.ops.mkldnn._linear_pointwise.binary(
                x_NI, residual_NO, self._packed, self._bias_O, "add"
            )
            return fused
        return self(x_NI).add_(residual_NO)


def onednn_takes(weight: torch.Tensor) -> bool:
    """Does oneDNN multiply this type on this chip, and is the matrix where it can?"""
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    if weight.dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return weight.dtype == torch.float32


def _pack(weight_OI: torch.Tensor) -> torch.Tensor:
    packed: torch.Tensor = torch.ops.mkldnn._reorder_linear_weight(weight_OI)
    return packed


def _pointwise(*arguments: object) -> torch.Tensor:
    product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(*arguments)
    return product
