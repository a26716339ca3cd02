"""How a model computes while it learns: plainly on a CPU, with fused attention and compiled layers on a GPU.

Contract
- Eager attention and no dropout of it: on a CPU either of the others costs a quarter to a half of the speed.
- Fused attention computes what eager attention does; MPNet's bias of relative positions learns nothing in it.
- A layer that torch cannot compile is computed as it is, and torch says so.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import PreTrainedModel
from transformers.models.mpnet.modeling_mpnet import MPNetSelfAttention

from cardio_ner.errors import ConfigError

WORKERS = 6
"""Processes that make batches for a GPU. With six an H100 read 1.1 million tokens a second of masked rows."""


def attention() -> str | None:
    """What transformers calls the attention to load a model with; None is the best that it has for the model."""
    return None if torch.cuda.is_available() else "eager"


def check_one_gpu() -> None:
    """Raise ConfigError where the Trainer would spread a step over several GPUs: each would get a whole batch."""
    if torch.cuda.device_count() > 1:
        raise ConfigError(f"{torch.cuda.device_count()} GPUs: training takes one: set CUDA_VISIBLE_DEVICES=0")


def accelerate(model: PreTrainedModel, *, compiled: bool) -> PreTrainedModel:
    """Prepare the model, in place, for the GPU that it will learn on; on a CPU nothing is done.

    `compiled`: one layer is compiled and its code serves all; only where batches have one shape.
    """
    if torch.cuda.is_available():
        fuse_mpnet(model)
        if compiled:
            torch._dynamo.config.suppress_errors = True
            encoder: Any = model.base_model.encoder
            for layer in encoder.layer:
                layer.compile(dynamic=False)
    return model


def fuse_mpnet(model: PreTrainedModel) -> None:
    """Give MPNet fused attention, which transformers has for other models."""
    for module in model.modules():
        if isinstance(module, MPNetSelfAttention):
            module.forward = _fused.__get__(module)  # type: ignore[method-assign]


def loader_arguments() -> dict[str, Any]:
    """What TrainingArguments gets for the device: workers that make the batches of a GPU, and no waiting for it."""
    if not torch.cuda.is_available():
        return {"use_cpu": True, "dataloader_pin_memory": False}
    return {
        "dataloader_pin_memory": True,
        "dataloader_num_workers": max(0, min(WORKERS, (os.cpu_count() or 1) - 1)),
        "logging_nan_inf_filter": False,  # it waits for the GPU at each step
    }


def _fused(
    self: Any,
    hidden_states: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    position_bias: torch.Tensor | None = None,
    output_attentions: bool = False,  # noqa: ARG001  MPNet passes it
    **_: Any,
) -> tuple[torch.Tensor]:
    """MPNetSelfAttention.forward in one kernel: [B, T, D] → ([B, T, D],)."""
    shape = *hidden_states.shape[:-1], -1, self.attention_head_size
    query, key, value = (linear(hidden_states).view(shape).transpose(1, 2) for linear in (self.q, self.k, self.v))
    bias = None
    if position_bias is not None:
        bias = position_bias[:1].detach().to(query.dtype)
        if attention_mask is not None:
            bias = bias + attention_mask.to(query.dtype)
        bias = bias.expand(query.shape[0], -1, -1, -1)
    mixed = scaled_dot_product_attention(query, key, value, attn_mask=bias)
    return (self.o(mixed.transpose(1, 2).flatten(2)),)
