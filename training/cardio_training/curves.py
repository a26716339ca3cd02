"""The curves of a run, from what it logged: numbers alone, which pictures.py draws.

Contract
- A history is Trainer's log, as `history.json` holds it: entries with `step`, `epoch` and what was measured then.
- Every point is a number of an entry, F1 and accuracy as percent: nothing is smoothed or made up.
- What was never logged (no fold held out, a run shorter than a log's step) has no curve, and no curve no panel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HISTORY = "history.json"
"""The file of every run's folder that holds its history."""
Entry = Mapping[str, Any]
LOSS, RATE = "loss (nats)", "learning rate"


@dataclass(frozen=True, slots=True)
class Curve:
    """What was measured, and its points (x, y) as they were logged."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves of one quantity; the labels of the axes say it and its unit."""

    x_label: str
    y_label: str
    curves: tuple[Curve, ...]


def training_panels(history: Sequence[Entry]) -> list[Panel]:
    """Of a fine-tuning, by epoch: loss, strict F1 of each task and their mean, learning rate."""
    f1 = {key: f"{language}/{name}" for key, language, name in _scores(history, r"[A-Z]\w*")}
    if len(f1) > 1:
        f1["eval_strict_f1"] = "mean"
    return _panels(
        history,
        "epoch",
        [(LOSS, {"loss": "learnt"}, 1), ("strict F1 (%)", f1, 100), (RATE, {"learning_rate": RATE}, 1)],
    )


def pretraining_panels(history: Sequence[Entry]) -> list[Panel]:
    """Of a pre-training, by step: loss and, of each language's held-out texts, loss and words told right; learning
    rate."""
    losses = {key: f"{language}, held out" for key, language, _ in _scores(history, "loss")}
    right = {key: language for key, language, _ in _scores(history, "accuracy")}
    return _panels(
        history,
        "step",
        [
            (LOSS, {"loss": "learnt"} | losses, 1),
            ("hidden tokens told right (%)", right, 100),
            (RATE, {"learning_rate": RATE}, 1),
        ],
    )


def _scores(history: Sequence[Entry], what: str) -> list[tuple[str, str, str]]:
    """The keys `eval_<language>_<what>` of a history with both parts, in one order whatever that of the entries."""
    keys = sorted({key for entry in history for key in entry})
    found = (re.fullmatch(rf"eval_([a-z]{{2}})_({what})", key) for key in keys)
    return [(match[0], match[1], match[2]) for match in found if match]


def _panels(history: Sequence[Entry], x: str, wanted: Sequence[tuple[str, dict[str, str], int]]) -> list[Panel]:
    """A panel for each (label of the y axis, names of curves by key, factor) that has points."""
    panels = []
    for y_label, names, factor in wanted:
        drawn = {
            name: tuple((float(entry[x]), factor * float(entry[key])) for entry in history if key in entry)
            for key, name in names.items()
        }
        if curves := tuple(Curve(name, points) for name, points in drawn.items() if points):
            panels.append(Panel(x, y_label, curves))
    return panels
