"""What could run the encoder, on the same windows: `build/encoders/bin/python benchmarks/encoders.py CHECKPOINT`.

It has a virtual environment of its own: encoders.txt. CHECKPOINT is a folder, a language whose checkpoint ships, or
`base`: BERT of 12 layers, 768 wide, with random weights and the Spanish tokenizer.

Windows are cut from cardioccc_dev where CARDIO_NER_DATA is set, else from examples/notes, and packed as the Tagger
packs them. Each way to run is a process of its own, loaded and warm; rounds are interleaved A B C, A B C… The figure
is window tokens (special ones too, padding not) per second, and the median of ratios to torch with SDPA in float32.
The second ratio is of processor time, which other programs on the machine move less. Logits are compared on the same
rows. torchao without compilation takes minutes where the others take seconds: measure it alone, with fewer tokens.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from transformers import BertConfig, BertForTokenClassification

from cardio_ner.batching import group_by_width, padded_width
from cardio_ner.checkpoint import packaged_model
from cardio_ner.corpus.multicardioner import DATA_VARIABLE, data_folder, read_multicardioner
from cardio_ner.document import LANGUAGES
from cardio_ner.tagger import Tagger
from cardio_ner.windows import cut_windows
from child_process import Child, Timed, resident_mb, timed
from conditions import conditions, markdown_table, write_results
from encoder_runners import LOSSY, NEEDS_BF16, REFERENCE, RUNNERS, SUBSET_SIZE, Batch, Forward, Logits, export

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build/encoders"
PACKAGES = ["torch", "transformers", "onnxruntime", "openvino", "nncf", "torchao", "numpy"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One way to run: start-up (load, and the first pass over the shapes) and rounds."""

    name: str
    load_seconds: float
    first_pass_seconds: float
    resident_mb: float
    largest_logit_difference: float
    rounds: list[Timed] = field(default_factory=list)


class Loaded:
    """What a child keeps between calls."""

    forward: Forward
    batches: Sequence[Batch]


def load(name: str, folder: Path, threads: int, batches: Sequence[Batch]) -> tuple[float, float, float, list[Logits]]:
    """In the child: seconds to load and of the first pass, megabytes resident, and the logits."""
    start = time.perf_counter()
    Loaded.forward, Loaded.batches = RUNNERS[name](folder, exported(folder), threads), batches
    ready = time.perf_counter()
    logits = [Loaded.forward(*batch) for batch in batches]
    return ready - start, time.perf_counter() - ready, resident_mb(), logits


def one_round() -> Timed:
    """In the child: the batches once more."""
    return timed(lambda: [Loaded.forward(*batch) for batch in Loaded.batches])


def exported(folder: Path) -> Path:
    """Where the checkpoint's other formats are."""
    return BUILD / "exported" / f"{folder.parent.name}-{folder.name}"


def texts(language: str) -> list[str]:
    """Real documents where there are any, else the example notes."""
    if os.environ.get(DATA_VARIABLE):
        return [document.text for document in read_multicardioner(data_folder(), language).dev]
    return [path.read_bytes().decode() for path in sorted((ROOT / "examples/notes" / language).glob("*.txt"))]


def make_batches(tagger: Tagger, documents: Sequence[str], *, max_tokens_per_batch: int) -> list[Batch]:
    """Ids and mask of the documents' windows, packed as the Tagger packs them; widest first."""
    tokenizer = tagger.encoder.tokenizer
    inner = tagger.window_tokens - tokenizer.n_special_tokens
    rows = [
        np.concatenate([tokenizer.prefix_ids, tokens.ids[w.start : w.end], tokenizer.suffix_ids])
        for tokens in tokenizer(documents)
        for w in cut_windows(len(tokens), window_tokens=inner, overlap_tokens=tagger.overlap_tokens)
    ]
    places = group_by_width([len(row) for row in rows], max_tokens=max_tokens_per_batch)
    return [padded([rows[i] for i in batch], tokenizer.pad_id) for batch in places]


def padded(rows: Sequence[np.ndarray], pad_id: int) -> Batch:
    """Rows side by side, padded to the width that the Tagger would give them."""
    width = padded_width(max(map(len, rows)))
    ids_BT = np.full((len(rows), width), pad_id, dtype=np.int64)
    mask_BT = np.zeros((len(rows), width), dtype=np.int64)
    for b, row in enumerate(rows):
        ids_BT[b, : len(row)], mask_BT[b, : len(row)] = row, 1
    return ids_BT, mask_BT


def base_size() -> Path:
    """A base-size encoder with random weights."""
    folder = BUILD / "base"
    if not folder.exists():
        torch.manual_seed(13)
        config = BertConfig(vocab_size=17000)
        config.num_labels = 6
        BertForTokenClassification(config).save_pretrained(folder)
    return folder


def measure(
    names: Sequence[str], folder: Path, batches: Sequence[Batch], *, threads: int, rounds: int
) -> list[Outcome]:
    """Load each way in a process of its own, then the rounds."""
    outcomes: list[Outcome] = []
    reference: list[Logits] = []
    with ExitStack() as stack:
        children = [stack.enter_context(Child()) for _ in names]
        for name, child in zip(names, children, strict=True):
            loaded, passed, resident, logits = child(load, name, folder, threads, batches)
            reference = reference or logits
            apart = max(
                float(np.abs(ours - theirs)[mask == 1].max())
                for ours, theirs, (_, mask) in zip(logits, reference, batches, strict=True)
            )
            outcomes.append(Outcome(name, loaded, passed, resident, apart))
        for _ in range(rounds):
            for outcome, child in zip(outcomes, children, strict=True):
                outcome.rounds.append(child(one_round))
    return outcomes


def table(outcomes: Sequence[Outcome], n_tokens: int) -> str:
    """Medians and ratios; the first outcome is the reference."""
    lines = []
    for it in outcomes:
        pairs = list(zip(it.rounds, outcomes[0].rounds, strict=True))
        wall = [theirs.wall_seconds / ours.wall_seconds for ours, theirs in pairs]
        cpu = [theirs.cpu_seconds / ours.cpu_seconds for ours, theirs in pairs]
        rate = n_tokens / statistics.median(one.wall_seconds for one in it.rounds)
        lines.append(
            [
                it.name,
                f"{rate:,.0f}",
                f"{statistics.median(wall):.2f} ({min(wall):.2f} to {max(wall):.2f})",
                f"{statistics.median(cpu):.2f}",
                f"{it.largest_logit_difference:.2g}",
                f"{it.load_seconds:.1f}",
                f"{it.first_pass_seconds:.1f}",
                f"{it.resident_mb:,.0f}",
            ]
        )
    columns = ["", "window tokens/s", "×", "× by CPU seconds", "logits apart", "load s", "first pass s", "resident MB"]
    return markdown_table(columns, lines)


def can_run(name: str) -> bool:
    """Does this processor multiply what the way to run needs?"""
    told = torch.cpu.get_capabilities()
    return name not in NEEDS_BF16 or bool(told.get("amx_bf16") or told.get("avx512_bf16"))


def main(
    checkpoint: Annotated[str, typer.Argument(help="Folder, es, en, it, or base")],
    only: Annotated[str, typer.Option(help="Ways to run, separated by semicolons; the reference is always one")] = "",
    threads: Annotated[str, typer.Option(help="Numbers of threads, separated by commas")] = "1,2",
    rounds: Annotated[int, typer.Option(help="Interleaved rounds")] = 5,
    max_tokens_per_batch: Annotated[int, typer.Option(help="As the Tagger's")] = 2048,
    n_batches: Annotated[int, typer.Option(help="Batches of a round, from the widest to the narrowest")] = 2,
    name: Annotated[str, typer.Option(help="Results are <day>-<name>.md and .json")] = "encoders",
) -> None:
    """Compare ways to run the encoder; write a table and JSON."""
    language = checkpoint if checkpoint in LANGUAGES else "es"
    folder = base_size() if checkpoint == "base" else packaged_model(language)
    folder = Path(checkpoint) if Path(checkpoint).is_dir() else folder
    tagger = Tagger.load(language, device="cpu", precision="fp32")
    packed = make_batches(tagger, texts(language), max_tokens_per_batch=max_tokens_per_batch)
    wanted = [one.strip() for one in only.split(";")] if only else list(RUNNERS)
    names = [REFERENCE, *(one for one in RUNNERS if one in wanted and one != REFERENCE and can_run(one))]
    left_out = [one for one in wanted if not can_run(one)]
    with Child() as child:
        child(partial(export, names=names), folder, exported(folder), packed[:: max(1, len(packed) // SUBSET_SIZE)])
    batches = packed[:: max(1, len(packed) // n_batches)][:n_batches]
    shapes = ", ".join(f"{ids.shape[0]} x {ids.shape[1]}" for ids, _ in batches)
    n_tokens = sum(int(mask.sum()) for _, mask in batches)
    notes = [f"Batches: {shapes}. {rounds} rounds. Lossy: {', '.join(sorted(LOSSY & set(names))) or 'none'}."]
    if left_out:
        notes.append(f"Left out, for this processor multiplies no bfloat16 in hardware: {', '.join(left_out)}.")
    told = conditions(PACKAGES)
    data: dict[str, object] = {"conditions": told, "shapes": shapes, "n_tokens": n_tokens}
    for number in map(int, threads.split(",")):
        outcomes = measure(names, folder, batches, threads=number, rounds=rounds)
        notes.append(f"## {checkpoint}, {number} thread{'s' * (number > 1)}\n\n{table(outcomes, n_tokens)}")
        data[f"threads: {number}"] = [asdict(outcome) for outcome in outcomes]
        Console().print(write_results(name, f"Ways to run the encoder: {checkpoint}", notes, data))


if __name__ == "__main__":
    typer.run(main)
