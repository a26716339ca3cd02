"""What lossy arithmetic costs in F1: `build/encoders/bin/python benchmarks/lossy_f1.py FOLDER` (see encoders.txt).

FOLDER holds checkpoints that never saw the fold, as for windows.py. Each lossy way to run the encoder tags the fold's
documents in the same windows and batches as float32; strict F1, how many mentions differ from float32's, and the 95 %
interval of the difference by a paired bootstrap over documents (windows.py). Static int8 learns its ranges from
documents outside the fold.

*alone* is another question: the largest difference in logits when a row is run alone and not among others. Where it is
not near nothing, a document is tagged by its company, which the Tagger's contract forbids.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console

from cardio_ner.batching import group_by_width, padded_width
from cardio_ner.checkpoint import Checkpoint
from cardio_ner.corpus.multicardioner import data_folder, read_multicardioner
from cardio_ner.document import Document
from cardio_ner.engine.contract import Positions, Row
from cardio_ner.errors import ConfigError, errors_as_exit
from cardio_ner.evaluation import mentions
from cardio_ner.tagger import Tagger
from conditions import conditions, markdown_table, write_results
from encoder_runners import LOSSY, REFERENCE, RUNNERS, SUBSET_SIZE, Batch, Forward, export
from encoders import PACKAGES, can_run, exported, make_batches, padded
from windows import counts, difference, f1, never_saw


@dataclass(frozen=True, slots=True)
class Cost:
    """One way to run, one language, one type. F1 in percent; `difference` is to float32's, and its 95 % interval."""

    language: str
    way: str
    entity_type: str
    f1: float
    difference: tuple[float, float, float]
    mentions_that_differ: int
    mentions: int
    alone: float

    def cells(self) -> list[str]:
        """The row of a Markdown table."""
        by, low, high = self.difference
        moved = f"{by:+.2f} ({low:+.2f} to {high:+.2f})"
        differ = f"{self.mentions_that_differ} of {self.mentions}"
        return [f"{self.language}, {self.way}", self.entity_type, f"{self.f1:.2f}", moved, differ, f"{self.alone:.2g}"]


@dataclass(frozen=True, slots=True)
class RunnerEngine:
    """A way to run as the Tagger's engine: padded rows, as `cardio_ner.engine.padded` has them."""

    name: str
    forward: Forward
    pad_id: int
    device = torch.device("cpu")
    dtype = torch.float32

    def describe(self) -> str:
        """Its name in the tables."""
        return self.name

    def batches(self, lengths_tokens: Sequence[int], *, max_tokens: int) -> list[list[int]]:
        """Rows of one padded width together."""
        return group_by_width(lengths_tokens, max_tokens=max_tokens)

    def cost(self, lengths_tokens: Sequence[int]) -> int:
        """Rows times width."""
        return len(lengths_tokens) * padded_width(max(lengths_tokens))

    def logits(self, rows: Sequence[Row], wanted: Sequence[Positions]) -> torch.Tensor:
        """[U, K] float32, as `Engine` says."""
        logits_BTK = self.forward(*padded(rows, self.pad_id))
        return torch.from_numpy(np.concatenate([logits_BTK[b, its] for b, its in enumerate(wanted)]))


def alone(forward: Forward, batch: Batch) -> float:
    """Largest difference in the first row's logits between running it among others and alone."""
    ids, mask = batch
    apart = np.abs(forward(ids, mask)[0] - forward(ids[:1], mask[:1])[0])
    return float(apart[mask[0] == 1].max())


def main(
    checkpoints: Annotated[Path, typer.Argument(help="Folder of checkpoints named es, en, it")],
    languages: Annotated[str, typer.Option(help="Separated by commas")] = "es,en",
    fold: Annotated[int, typer.Option(help="Fold of cardioccc_dev that the checkpoints never saw")] = 0,
    only: Annotated[str, typer.Option(help="Lossy ways to run, separated by semicolons; default: all")] = "",
    threads: Annotated[int, typer.Option(help="Threads")] = 2,
    name: Annotated[str, typer.Option(help="Results are <day>-<name>.md and .json")] = "lossy-f1",
) -> None:
    """Score every lossy way beside float32; write a table and JSON."""
    wanted = [one.strip() for one in only.split(";")] if only else sorted(LOSSY)
    names = [REFERENCE, *(one for one in wanted if can_run(one))]
    rows: list[Cost] = []
    with errors_as_exit():
        for language in languages.split(","):
            rows += scored(checkpoints / language, language, names, fold=fold, threads=threads)
    left_out = [one for one in wanted if one not in names]
    notes = [f"Left out, for this processor multiplies no bfloat16 in hardware: {', '.join(left_out)}."] * bool(
        left_out
    )
    columns = ["", "type", "strict F1", "against float32 (95 %)", "mentions that differ", "alone"]
    found = {"conditions": conditions(PACKAGES), "outcomes": [asdict(row) for row in rows]}
    title = f"What lossy arithmetic costs in F1: fold {fold} of cardioccc_dev"
    page = [*notes, markdown_table(columns, [row.cells() for row in rows], n_text_columns=2)]
    Console().print(write_results(name, title, page, found))


def scored(folder: Path, language: str, names: Sequence[str], *, fold: int, threads: int) -> list[Cost]:
    """One language's rows: every way to run, every type that was annotated."""
    opened = Checkpoint.open(folder)
    if not never_saw(opened.manifest.training_data, fold):
        raise ConfigError(f"{folder}: its manifest does not say that it never saw fold {fold}")
    corpus = read_multicardioner(data_folder(), language)
    learnt, gold = corpus.fold(fold)
    types = [name for name in opened.scheme.entity_types if name in corpus.annotated]
    tagger = Tagger.load(opened, device="cpu", precision="fp32")
    texts = [document.text for document in learnt[-SUBSET_SIZE:]]
    batches = make_batches(tagger, texts, max_tokens_per_batch=1024)
    export(folder, exported(folder), batches[:SUBSET_SIZE], names=names)
    rows: list[Cost] = []
    reference: list[Document] = []
    for way in names:
        forward = RUNNERS[way](folder, exported(folder), threads)
        engine = RunnerEngine(way, forward, tagger.encoder.tokenizer.pad_id)
        encoder = dataclasses.replace(tagger.encoder, engine=engine)
        found = list(dataclasses.replace(tagger, encoder=encoder).tag(gold))
        reference = reference or found
        apart = alone(forward, batches[0])
        for name in types:
            ours, theirs = counts(gold, found, name), counts(gold, reference, name)
            given, expected = mentions(found, name), mentions(reference, name)
            score, differ = float(f1(ours.sum(0))), len(given ^ expected)
            rows.append(Cost(language, way, name, score, difference(ours, theirs), differ, len(expected), apart))
    return rows


if __name__ == "__main__":
    typer.run(main)
