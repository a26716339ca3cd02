"""Runs beside each other: strict F1 as each run was scored, and how fast its checkpoint tags.

Contract
- Runs of one recipe that differ in fold or seed alone make one row: mean and standard deviation over its runs. So do
  those whose teachers' names differ in the number of the fold alone (`runs/teacher-0`, `runs/teacher-1`).
- F1 is what the run's manifest says; nothing is scored again.
- Speed: words (what white space parts) a second of the first run of each row, over the same held-out texts, in rounds
  A B C, A B C…; medians, so that other work on the machine falls on all alike. Loading is not counted.
"""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from cardio_ner.checkpoint import Checkpoint, Manifest
from cardio_ner.document import Document
from cardio_ner.errors import ConfigError
from cardio_ner.tagger import Tagger

OF_ONE_RUN = ("output", "held_out_fold", "seed", "report_to")
"""Keys of a recipe in which the runs of one row may differ."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Strict F1 of one task over the runs of a row, in percent. `spread`: the standard deviation, None of one run."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of all runs alike."""
        return statistics.mean(self.values)

    @property
    def spread(self) -> float | None:
        """The sample's, over folds and seeds."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def __str__(self) -> str:
        return f"{self.mean:.2f}" if self.spread is None else f"{self.mean:.2f} ± {self.spread:.2f}"


@dataclass(frozen=True, slots=True)
class ComparedRuns:
    """Runs of one recipe. `f1`: by task (`es/DISEASE`), one value in [0, 1] for each run that was scored on it: a fold
    may lack a language."""

    base_encoder: str
    checkpoints: tuple[Checkpoint, ...]
    f1: dict[str, tuple[float, ...]]

    @property
    def folds(self) -> str:
        """The held-out folds, such as `0, 1, 2`."""
        return ", ".join(sorted({str(c.manifest.training_data["held_out_fold"]) for c in self.checkpoints}))

    @property
    def seeds(self) -> str:
        """The seeds, such as `13`."""
        return ", ".join(sorted({seed for c in self.checkpoints for seed in _seeds(c.manifest.recipe)}))

    @property
    def summaries(self) -> dict[str, Summary]:
        """F1 by task, as tables and pictures show it."""
        return {task: Summary(tuple(100 * value for value in values)) for task, values in self.f1.items()}


def group_runs(folders: Sequence[Path]) -> list[ComparedRuns]:
    """Runs by recipe, in the order given. Raises ConfigError where a run has no scores or no recipe."""
    groups: dict[str, list[Checkpoint]] = {}
    for folder in folders:
        checkpoint = Checkpoint.open(folder / "checkpoint" if (folder / "checkpoint").is_dir() else folder)
        groups.setdefault(_recipe_of_row(folder, checkpoint.manifest), []).append(checkpoint)
    return [_compared(checkpoints) for checkpoints in groups.values()]


def _recipe_of_row(folder: Path, manifest: Manifest) -> str:
    if not manifest.recipe or "strict_f1" not in manifest.dev_scores:
        raise ConfigError(f"{folder}: no scores: expected the folder of a finished run with a held-out fold")
    return json.dumps(_without_run(manifest.recipe), sort_keys=True)


def _without_run(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe, and those of the runs that were merged, without what one run alone has."""
    parts = {"merged": [_without_run(part) for part in recipe["merged"]]} if "merged" in recipe else {}
    teachers = {"teachers": _without_fold(recipe)} if "teachers" in recipe else {}
    return {key: value for key, value in recipe.items() if key not in OF_ONE_RUN} | teachers | parts


def _without_fold(recipe: dict[str, Any]) -> list[str]:
    """The names of the teachers, with a placeholder for the number of the fold that the run held out."""
    fold = recipe.get("held_out_fold")
    return [re.sub(rf"(?<!\d){fold}(?!\d)", "FOLD", teacher) for teacher in recipe["teachers"]]


def _seeds(recipe: dict[str, Any]) -> list[str]:
    """The seed of a run, or those of the runs that were merged."""
    return [seed for part in recipe["merged"] for seed in _seeds(part)] if "merged" in recipe else [str(recipe["seed"])]


def _compared(checkpoints: Sequence[Checkpoint]) -> ComparedRuns:
    scores = [checkpoint.manifest.dev_scores["strict_f1"] for checkpoint in checkpoints]
    tasks = dict.fromkeys(task for score in scores for task in score)
    f1 = {task: tuple(float(score[task]) for score in scores if task in score) for task in tasks}
    return ComparedRuns(checkpoints[0].manifest.recipe["base_encoder"], tuple(checkpoints), f1)


def words_per_second(rows: Sequence[ComparedRuns], documents: Sequence[Document], *, rounds: int) -> list[float]:
    """The median speed of each row's first checkpoint over the documents."""
    words = sum(len(document.text.split()) for document in documents)
    taggers = [Tagger.load(row.checkpoints[0]) for row in rows]
    seconds: list[list[float]] = [[] for _ in taggers]
    for round_ in range(rounds + 1):
        for tagger, times in zip(taggers, seconds, strict=True):
            begun = time.perf_counter()
            for _ in tagger.tag(documents):
                pass
            if round_:  # the first warms up
                times.append(time.perf_counter() - begun)
    return [words / statistics.median(times) for times in seconds]


def as_picture(rows: Sequence[ComparedRuns]) -> list[tuple[str, dict[str, Summary]]]:
    """What a picture shows of each row, numbered as the table's: its name, and F1 by task."""
    return [
        (f"{number}. {row.base_encoder} (folds {row.folds}; seeds {row.seeds})", row.summaries)
        for number, row in enumerate(rows, start=1)
    ]


def as_comparison(rows: Sequence[ComparedRuns], speeds: Sequence[float]) -> Table:
    """The rows in percent, for a terminal or, as Markdown, for a page."""
    tasks = list(dict.fromkeys(task for row in rows for task in row.f1))
    table = Table("base encoder", "folds", "seeds", *tasks, "words/s")
    for column in table.columns[3:]:
        column.justify = "right"
    for row, speed in zip(rows, speeds, strict=True):
        summaries = row.summaries
        scores = [str(summaries[task]) if task in summaries else "" for task in tasks]
        table.add_row(row.base_encoder, row.folds, row.seeds, *scores, f"{speed:,.0f}")
    return table
