"""Pictures of runs: the curves of one, and the scores of several beside each other.

Contract
- matplotlib's objects alone: no pyplot, no window; the caller's settings of matplotlib neither count nor change.
- Same numbers, same version of matplotlib: same bytes. In an SVG, text is text.
- Colours are told apart by the colour-blind too (M. A. Petroff, arXiv 2107.02270), and so are the markers.
- Names stand as they are: `$` begins no formula.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cardio_ner.errors import ConfigError
from cardio_training.comparing import Summary
from cardio_training.curves import HISTORY, Entry, Panel

CURVES = "curves.svg"
FORMATS = (".svg", ".png")
MARKERS = "osD^vPX<>p"
MARKS_PER_CURVE = 12
STYLE: list[str | dict[str, Any]] = [
    "default",
    "petroff10",
    {
        "axes.grid": True,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "font.size": 9,
        "grid.alpha": 0.3,
        "lines.markersize": 4,
        "path.simplify": False,
        "savefig.dpi": 150,
        "svg.fonttype": "none",
        "svg.hashsalt": "cardio-ner",
        "text.parse_math": False,
    },
]


def keep_curves(folder: Path, history: Sequence[Entry], panels: Sequence[Panel], *, title: str) -> None:
    """Write what a run has logged into its folder, and its picture beside it."""
    (folder / HISTORY).write_text(json.dumps(history, indent=1), encoding="utf-8")
    draw_curves(panels, folder / CURVES, title=title)


def draw_curves(panels: Sequence[Panel], file: Path, *, title: str) -> None:
    """The panels side by side; of a run without any (one that learnt nothing) no picture is made."""
    if not panels:
        return
    with style.context(STYLE):
        figure = Figure(figsize=(3.8 * len(panels), 4.0), layout="constrained")
        figure.suptitle(title)
        for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            _draw_panel(axes, panel)
        _save(figure, file)


def _draw_panel(axes: Axes, panel: Panel) -> None:
    for curve, marker in zip(panel.curves, cycle(MARKERS), strict=False):
        x, y = zip(*curve.points, strict=True)
        every = max(1, len(x) // MARKS_PER_CURVE)
        axes.plot(x, y, marker=marker, markevery=every, label=curve.name)
    axes.set(xlabel=panel.x_label, ylabel=panel.y_label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(panel.curves) > 1:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2)


def draw_comparison(rows: Sequence[tuple[str, Mapping[str, Summary]]], file: Path) -> None:
    """By task, each row's F1: a small mark for a run, a large one for their mean, a bar for the spread.

    Raises ConfigError where the file's name is no picture's, or its folder is absent.
    """
    if file.suffix not in FORMATS or not file.parent.is_dir():
        raise ConfigError(f"{file}: expected a file in a folder that is there, with a name in {' or '.join(FORMATS)}")
    tasks = list(dict.fromkeys(task for _, f1 in rows for task in f1))
    with style.context(STYLE):
        figure = Figure(figsize=(max(6.0, 1.6 * len(tasks)), 3.6 + 0.2 * len(rows)), layout="constrained")
        figure.suptitle("Strict F1 on the folds held out: runs, mean ± standard deviation")
        axes = figure.subplots()
        for number, ((name, f1), marker) in enumerate(zip(rows, cycle(MARKERS), strict=False)):
            aside = 0.7 * ((number + 0.5) / len(rows) - 0.5)
            _draw_row(axes, {tasks.index(task) + aside: summary for task, summary in f1.items()}, name, marker)
        axes.set_xticks(range(len(tasks)), tasks)
        axes.set(xlabel="task (language/type)", ylabel="strict F1 (%)", xlim=(-0.5, len(tasks) - 0.5))
        figure.legend(loc="outside lower left", title="runs", alignment="left")
        _save(figure, file)


def _draw_row(axes: Axes, places: Mapping[float, Summary], name: str, marker: str) -> None:
    """One row of the comparison: summaries by their place on the x axis."""
    means = [summary.mean for summary in places.values()]
    spreads = [summary.spread or 0.0 for summary in places.values()]
    bars = axes.errorbar(list(places), means, yerr=spreads, fmt=marker, markersize=7, capsize=3, label=name)
    runs = [(x, value) for x, summary in places.items() for value in summary.values]
    x, f1 = zip(*runs, strict=True)
    axes.scatter(x, f1, s=9, marker=marker, alpha=0.6, color=bars.lines[0].get_color())


def _save(figure: Figure, file: Path) -> None:
    """Without a date, which would make every picture another."""
    figure.savefig(file, metadata={"Date": None})
