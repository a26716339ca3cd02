"""Window and overlap, chosen on F1 and speed together: `CARDIO_NER_DATA=<data> python benchmarks/windows.py FOLDER`.

FOLDER holds checkpoints named es, en, it that never saw the fold (their manifests must say so), such as the first ones:
    git archive 3940999 src/cardio_ner/models | tar -x -C build/first --strip-components=3

Every choice tags the same documents of cardioccc_dev, a slice of them after the other, so that the choices' times are
interleaved. Speed is words per second of processor time, for other programs may run beside, as a ratio to the reference
in the same slice (median of slices, least to most); JSON has the clock's seconds too. *Read* is window tokens, special
ones too, per document token: what the encoder reads per token that counts.
F1 is strict. Whether it moved is asked of the documents: 2,000 samples of them with replacement, the same for both
choices (a paired bootstrap), give the 95 % interval of the difference to the reference.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from cardio_ner.checkpoint import Checkpoint
from cardio_ner.corpus.multicardioner import data_folder, read_multicardioner
from cardio_ner.document import Document
from cardio_ner.errors import ConfigError, errors_as_exit
from cardio_ner.evaluation import mentions
from cardio_ner.tagger import Tagger
from cardio_ner.windows import cut_windows
from conditions import conditions, markdown_table, write_results

REFERENCE = (128, 32)
CHOICES = "128/32 128/16 128/8 192/16 256/16 256/32"
SAMPLES = 2000
SEED = 13


@dataclass(frozen=True, slots=True)
class Outcome:
    """One choice on one language: seconds by slice; counts [documents, 3] by type (right, predicted, gold)."""

    window_tokens: int
    overlap_tokens: int
    tokens_read_per_token: float
    cpu_seconds: list[float] = field(default_factory=list)
    wall_seconds: list[float] = field(default_factory=list)
    counts_D3: dict[str, NDArray[np.int64]] = field(default_factory=dict)


def counts(gold: Sequence[Document], found: Sequence[Document], entity_type: str) -> NDArray[np.int64]:
    """Per document: mentions right, predicted and gold [D, 3]."""
    rows = []
    for one, other in zip(gold, found, strict=True):
        wanted, given = mentions([one], entity_type), mentions([other], entity_type)
        rows.append((len(wanted & given), len(given), len(wanted)))
    return np.array(rows, dtype=np.int64)


def f1(counts_3: NDArray[np.int64]) -> NDArray[np.float64]:
    """Micro F1 in percent of counts [..., 3]."""
    return np.asarray(200.0 * counts_3[..., 0] / np.maximum(counts_3[..., 1] + counts_3[..., 2], 1))


def difference(ours_D3: NDArray[np.int64], theirs_D3: NDArray[np.int64]) -> tuple[float, float, float]:
    """F1 of ours less F1 of theirs, and the 95 % interval by a paired bootstrap over documents."""
    draws_SD = np.random.default_rng(SEED).integers(len(ours_D3), size=(SAMPLES, len(ours_D3)))
    sampled = f1(ours_D3[draws_SD].sum(1)) - f1(theirs_D3[draws_SD].sum(1))
    low, high = np.percentile(sampled, [2.5, 97.5])
    return float(f1(ours_D3.sum(0)) - f1(theirs_D3.sum(0))), float(low), float(high)


def never_saw(training_data: Mapping[str, Any], fold: int) -> bool:
    """Did no stage of the training read that fold, as far as the manifest tells?"""
    earlier = training_data.get("earlier_stage")
    teachers = training_data.get("teachers", [])
    stages = [stage for stage in (earlier, *teachers) if stage]
    return training_data.get("held_out_fold") == fold and all(never_saw(stage, fold) for stage in stages)


def tokens_read(tagger: Tagger, documents: Sequence[Document]) -> float:
    """Tokens in windows, special ones too, per document token."""
    tokenizer = tagger.encoder.tokenizer
    lengths = [len(tokens) for tokens in tokenizer([document.text for document in documents])]
    inner = tagger.window_tokens - tokenizer.n_special_tokens
    windows = [w for n in lengths for w in cut_windows(n, window_tokens=inner, overlap_tokens=tagger.overlap_tokens)]
    return sum(w.end - w.start + tokenizer.n_special_tokens for w in windows) / sum(lengths)


def compare(
    tagger: Tagger,
    gold: Sequence[Document],
    types: Sequence[str],
    *,
    choices: Sequence[tuple[int, int]],
    n_slices: int,
) -> list[Outcome]:
    """Tag the documents, slice by slice, by every choice in turn."""
    taggers = [dataclasses.replace(tagger, window_tokens=w, overlap_tokens=o) for w, o in choices]
    outcomes = [Outcome(*choice, tokens_read(it, gold)) for choice, it in zip(choices, taggers, strict=True)]
    slices = [gold[first::n_slices] for first in range(n_slices)]
    list(tagger.tag(gold[:1]))
    for part in track(slices, description=gold[0].language):
        for outcome, one in zip(outcomes, taggers, strict=True):
            cpu, wall = time.process_time(), time.perf_counter()
            found = list(one.tag(part))
            outcome.cpu_seconds.append(time.process_time() - cpu)
            outcome.wall_seconds.append(time.perf_counter() - wall)
            for name in types:
                before = outcome.counts_D3.get(name, np.empty((0, 3), dtype=np.int64))
                outcome.counts_D3[name] = np.concatenate([before, counts(part, found, name)])
    return outcomes


def table(language: str, outcomes: Sequence[Outcome]) -> tuple[str, list[dict[str, object]]]:
    """A language's table, and the same as data. The first outcome is the reference."""
    reference = outcomes[0]
    types = sorted(reference.counts_D3)
    lines, data = [], []
    for it in outcomes:
        ratios = [theirs / ours for ours, theirs in zip(it.cpu_seconds, reference.cpu_seconds, strict=True)]
        scores = {name: float(f1(it.counts_D3[name].sum(0))) for name in types}
        moved = {name: difference(it.counts_D3[name], reference.counts_D3[name]) for name in types}
        speed = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        cells = [f"{it.window_tokens}/{it.overlap_tokens}", f"{it.tokens_read_per_token:.3f}", speed]
        for name in types:
            by, low, high = moved[name]
            cells += [f"{scores[name]:.2f}", "" if it is reference else f"{by:+.2f} ({low:+.2f} to {high:+.2f})"]
        lines.append(cells)
        data.append(
            {
                "language": language,
                "window_tokens": it.window_tokens,
                "overlap_tokens": it.overlap_tokens,
                "tokens_read_per_token": it.tokens_read_per_token,
                "cpu_seconds": it.cpu_seconds,
                "wall_seconds": it.wall_seconds,
                "speed_ratios": ratios,
                "strict_f1": scores,
                "f1_difference_low_high": moved,
            }
        )
    columns = ["window/overlap", "read", "× words per CPU second"]
    for name in types:
        columns += [f"F1 {name}", "against the first (95 %)"]
    return f"## {language}\n\n" + markdown_table(columns, lines), data


def parse(choices: str) -> list[tuple[int, int]]:
    """`128/32 128/8` as pairs. Raises ConfigError for anything else."""
    try:
        return [(int(window), int(overlap)) for window, overlap in (one.split("/") for one in choices.split())]
    except ValueError:
        raise ConfigError(f"choices {choices!r}: expected window/overlap pairs such as '128/32 128/8'") from None


def main(
    checkpoints: Annotated[Path, typer.Argument(help="Folder of checkpoints named es, en, it")],
    languages: Annotated[str, typer.Option(help="Separated by commas")] = "es,en,it",
    fold: Annotated[int, typer.Option(help="Fold of cardioccc_dev that the checkpoints never saw")] = 0,
    choices: Annotated[str, typer.Option(help="window/overlap pairs; the first is the reference")] = CHOICES,
    slices: Annotated[int, typer.Option(help="Slices of the documents: rounds of the clock")] = 4,
    name: Annotated[str, typer.Option(help="Results are <day>-<name>.md and .json")] = "windows",
) -> None:
    """Compare windows and overlaps; write a table and JSON."""
    sections, data = [], []
    with errors_as_exit():
        pairs = parse(choices)
        for language in languages.split(","):
            opened = Checkpoint.open(checkpoints / language)
            if not never_saw(opened.manifest.training_data, fold):
                raise ConfigError(f"{checkpoints / language}: its manifest does not say that it never saw fold {fold}")
            corpus = read_multicardioner(data_folder(), language)
            gold = corpus.fold(fold)[1]
            types = [name for name in opened.scheme.entity_types if name in corpus.annotated]
            outcomes = compare(Tagger.load(opened, device="cpu"), gold, types, choices=pairs, n_slices=slices)
            section, rows = table(f"{language}, {len(gold)} documents, {opened.model_id}", outcomes)
            sections.append(section)
            data += rows
    found = {"conditions": conditions(["torch", "transformers", "tokenizers", "numpy"]), "outcomes": data}
    title = f"Window and overlap: strict F1 on fold {fold} of cardioccc_dev, and speed"
    Console().print(write_results(name, title, sections, found))


if __name__ == "__main__":
    typer.run(main)
