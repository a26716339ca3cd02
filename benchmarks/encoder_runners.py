"""Ways to run one encoder: a folder with weights in, a function from ids and mask to logits out.

Contract
- `export` converts once; `RUNNERS[name](folder, exported, threads)` loads, and does what a first call would put off.
- Every runner reads the same checkpoint and gets the same padded batches; logits are float32.
- Lossy runners (bfloat16, int8) are told by `LOSSY`, and those that need bfloat16 in hardware by `NEEDS_BF16`.

Shapes: B rows, T tokens, K labels.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForTokenClassification, PreTrainedModel
from transformers.utils import logging as transformers_logging

Ids = NDArray[np.int64]
Logits = NDArray[np.float32]
Forward = Callable[[Ids, Ids], Logits]
Batch = tuple[Ids, Ids]

SUBSET_SIZE = 32
"""Batches that the static int8 of NNCF learns its ranges from."""


class _LogitsOnly(torch.nn.Module):
    """What exporters want: tensors in, a tensor out."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def _model(folder: Path, *, attention: str = "sdpa", dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    transformers_logging.disable_progress_bar()
    model: PreTrainedModel = AutoModelForTokenClassification.from_pretrained(
        folder, dtype=dtype, attn_implementation=attention
    )
    model.eval().requires_grad_(False)
    return model


def _by_torch(model: Callable[..., Any], *, autocast: bool = False) -> Forward:
    def forward(ids_BT: Ids, mask_BT: Ids) -> Logits:
        context = torch.autocast("cpu", torch.bfloat16) if autocast else nullcontext()
        with torch.inference_mode(), context:
            output = model(input_ids=torch.from_numpy(ids_BT), attention_mask=torch.from_numpy(mask_BT))
        logits: Logits = output.logits.float().numpy()
        return logits

    return forward


def eager(folder: Path, _exported: Path, threads: int) -> Forward:
    torch.set_num_threads(threads)
    return _by_torch(_model(folder, attention="eager"))


def sdpa(folder: Path, _exported: Path, threads: int) -> Forward:
    torch.set_num_threads(threads)
    return _by_torch(_model(folder))


def compiled(folder: Path, _exported: Path, threads: int) -> Forward:
    """Inductor with frozen weights: it compiles each shape anew, at its first batch."""
    import torch._dynamo
    import torch._inductor.config

    torch.set_num_threads(threads)
    torch._inductor.config.freezing = True
    torch._dynamo.config.recompile_limit = 64
    module = torch.compile(_LogitsOnly(_model(folder)), dynamic=False)

    def forward(ids_BT: Ids, mask_BT: Ids) -> Logits:
        with torch.no_grad():  # freezing refuses inference_mode
            logits: Logits = module(torch.from_numpy(ids_BT), torch.from_numpy(mask_BT)).numpy()
        return logits

    return forward


def bf16_weights(folder: Path, _exported: Path, threads: int) -> Forward:
    torch.set_num_threads(threads)
    return _by_torch(_model(folder, dtype=torch.bfloat16))


def bf16_autocast(folder: Path, _exported: Path, threads: int) -> Forward:
    torch.set_num_threads(threads)
    return _by_torch(_model(folder), autocast=True)


def torch_int8(folder: Path, _exported: Path, threads: int) -> Forward:
    """torch.ao's dynamic int8: weights once, activations per batch; deprecated, and still in torch 2.13."""
    torch.set_num_threads(threads)
    warnings.filterwarnings("ignore", message=".*(torch.ao.quantization|quantize_per).*")
    model = torch.ao.quantization.quantize_dynamic(  # type: ignore[no-untyped-call]
        _model(folder), {torch.nn.Linear}, dtype=torch.qint8
    )
    return _by_torch(model)


def torchao_int8(folder: Path, _exported: Path, threads: int) -> Forward:
    """torchao's dynamic int8, its successor."""
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    torch.set_num_threads(threads)
    model = _model(folder)
    quantize_(model.base_model.encoder, Int8DynamicActivationInt8WeightConfig())
    return _by_torch(model)


def _onnx_runtime(file: Path, threads: int) -> Forward:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda ids_BT, mask_BT: session.run(None, {"input_ids": ids_BT, "attention_mask": mask_BT})[0]


def _openvino(file: Path, threads: int, precision: str) -> Forward:
    import openvino

    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": precision}
    model = openvino.Core().compile_model(file, "CPU", settings)
    return lambda ids_BT, mask_BT: model({"input_ids": ids_BT, "attention_mask": mask_BT})[0].astype(np.float32)


RUNNERS: dict[str, Callable[[Path, Path, int], Forward]] = {
    "torch, SDPA": sdpa,
    "torch, eager attention": eager,
    "torch.compile, frozen": compiled,
    "torch, SDPA, bf16 weights": bf16_weights,
    "torch, SDPA, bf16 autocast": bf16_autocast,
    "torch.ao, dynamic int8": torch_int8,
    "torchao, dynamic int8": torchao_int8,
    "ONNX Runtime": lambda _, exported, threads: _onnx_runtime(exported / "fp32.onnx", threads),
    "ONNX Runtime, dynamic int8": lambda _, exported, threads: _onnx_runtime(exported / "int8.onnx", threads),
    "OpenVINO": lambda _, exported, threads: _openvino(exported / "fp32.xml", threads, "f32"),
    "OpenVINO, bf16": lambda _, exported, threads: _openvino(exported / "fp32.xml", threads, "bf16"),
    "OpenVINO, int8 weights": lambda _, exported, threads: _openvino(exported / "weights8.xml", threads, "f32"),
    "OpenVINO, static int8": lambda _, exported, threads: _openvino(exported / "static8.xml", threads, "f32"),
}
REFERENCE = "torch, SDPA"
NEEDS_BF16 = frozenset(name for name in RUNNERS if "bf16" in name)
LOSSY = frozenset(name for name in RUNNERS if "int8" in name or "bf16" in name)


def export(folder: Path, exported: Path, calibration: Sequence[Batch], *, names: Sequence[str]) -> None:
    """Write what those runners read into `exported`: fp32.onnx, int8.onnx; fp32.xml, weights8.xml, static8.xml."""
    exported.mkdir(parents=True, exist_ok=True)
    if any("ONNX" in name for name in names) and not (exported / "int8.onnx").exists():
        _export_onnx(folder, exported)
    if any("OpenVINO" in name for name in names) and not (exported / "static8.xml").exists():
        _export_openvino(folder, exported, calibration)


def _example() -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask to trace with. They are two tensors, and some of a row is padding: else an export takes one for the
    other, or leaves the mask out, and says nothing."""
    ids_BT, mask_BT = torch.full((4, 128), 5), torch.ones(4, 128, dtype=torch.int64)
    mask_BT[1, 100:] = 0
    return ids_BT, mask_BT


def _export_onnx(folder: Path, exported: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    sizes = {0: torch.export.Dim("rows", min=1, max=4096), 1: torch.export.Dim("tokens", min=2, max=512)}
    torch.onnx.export(
        _LogitsOnly(_model(folder)),
        _example(),
        exported / "fp32.onnx",
        dynamo=True,
        external_data=False,
        input_names=["input_ids", "attention_mask"],
        output_names=["logits"],
        dynamic_shapes={"input_ids": sizes, "attention_mask": sizes},
    )
    quantize_dynamic(exported / "fp32.onnx", exported / "int8.onnx", weight_type=QuantType.QInt8, per_channel=True)


def _export_openvino(folder: Path, exported: Path, calibration: Sequence[Batch]) -> None:
    import nncf
    import openvino

    openvino.save_model(
        openvino.convert_model(_LogitsOnly(_model(folder)), example_input=_example()),
        exported / "fp32.xml",
        compress_to_fp16=False,
    )
    read = openvino.Core().read_model
    openvino.save_model(nncf.compress_weights(read(exported / "fp32.xml")), exported / "weights8.xml")
    samples = nncf.Dataset(calibration, lambda batch: {"input_ids": batch[0], "attention_mask": batch[1]})
    model = nncf.quantize(
        read(exported / "fp32.xml"), samples, model_type=nncf.ModelType.TRANSFORMER, subset_size=SUBSET_SIZE
    )
    openvino.save_model(model, exported / "static8.xml", compress_to_fp16=False)
