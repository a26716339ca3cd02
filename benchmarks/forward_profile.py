"""Where the plain forward spends its time: `python benchmarks/forward_profile.py`.

transformers' model of a shipped checkpoint in float32 with SDPA, full windows, torch's profiler. Times are each
operator's own, summed by kind; beside the linear layers' rate is what the same products reach alone, in one process.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from typing import Annotated

import torch
import typer
from rich.console import Console
from torch.profiler import ProfilerActivity, profile

from cardio_ner.checkpoint import Checkpoint, packaged_model
from cardio_ner.engine.loading import load_model
from conditions import conditions, markdown_table, write_results

KINDS = {
    "aten::addmm": "linear layers",
    "aten::mm": "linear layers",
    "aten::_scaled_dot_product_flash_attention_for_cpu": "attention",
    "aten::gelu": "GELU",
    "aten::native_layer_norm": "LayerNorm",
    "aten::add": "residual sums",
    "aten::copy_": "copies",
}


def seconds_by_kind(model: torch.nn.Module, ids_BT: torch.Tensor, n_passes: int) -> Counter[str]:
    """Own seconds of a pass, by kind of operator."""
    mask_BT = torch.ones_like(ids_BT)
    with torch.inference_mode():
        model(input_ids=ids_BT, attention_mask=mask_BT)
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            for _ in range(n_passes):
                model(input_ids=ids_BT, attention_mask=mask_BT)
    found: Counter[str] = Counter()
    for event in profiler.key_averages():
        found[KINDS.get(event.key, "rest")] += event.self_cpu_time_total / 1e6 / n_passes
    return found


def weights(model: torch.nn.Module) -> list[torch.Tensor]:
    """The weights [out, in] of all linear layers."""
    return [module.weight for module in model.modules() if isinstance(module, torch.nn.Linear)]


def alone_seconds(matrices: list[torch.Tensor], n_tokens: int, n_passes: int) -> float:
    """Seconds of all the linear layers' products, one after the other, on data that is there already (median)."""
    inputs = {width: torch.randn(n_tokens, width) for width in {matrix.shape[1] for matrix in matrices}}
    times = []
    with torch.inference_mode():
        for _ in range(n_passes + 1):
            start = time.perf_counter()
            for matrix in matrices:
                torch.nn.functional.linear(inputs[matrix.shape[1]], matrix)
            times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def main(
    language: Annotated[str, typer.Option(help="es, en, it")] = "es",
    rows: Annotated[int, typer.Option(help="Rows of the batch")] = 32,
    width_tokens: Annotated[int, typer.Option(help="Tokens of a row")] = 128,
    passes: Annotated[int, typer.Option(help="Passes that are averaged")] = 5,
    name: Annotated[str, typer.Option(help="Results are <day>-<name>.md and .json")] = "forward-profile",
) -> None:
    """Profile one thread; write a table and JSON."""
    torch.set_num_threads(1)
    checkpoint = Checkpoint.open(packaged_model(language))
    model = load_model(checkpoint, device=torch.device("cpu"), dtype=torch.float32)
    ids_BT = torch.randint(5, model.config.vocab_size, (rows, width_tokens))
    spent = seconds_by_kind(model, ids_BT, passes)
    matrices = weights(model)
    alone = alone_seconds(matrices, ids_BT.numel(), passes)
    flop = 2 * ids_BT.numel() * sum(matrix.numel() for matrix in matrices)
    total = spent.total()
    lines = [[kind, f"{1000 * s:.0f}", f"{100 * s / total:.1f} %"] for kind, s in spent.most_common()]
    sections = [
        f"One thread, {rows} x {width_tokens} tokens, float32, {passes} passes, checkpoint {language}: "
        f"{1000 * total:.0f} ms a pass.",
        markdown_table(["", "ms", "share"], lines),
        f"Linear layers: {flop / 1e9:.0f} GFLOP a pass, {flop / 1e9 / spent['linear layers']:.0f} GFLOP/s in "
        f"the model, {flop / 1e9 / alone:.0f} alone.",
    ]
    found = {
        "conditions": conditions(["torch", "transformers"]),
        "seconds": spent,
        "flop": flop,
        "alone_seconds": alone,
    }
    Console().print(write_results(name, "Where the plain forward spends its time", sections, found))


if __name__ == "__main__":
    typer.run(main)
