"""The geometry of the report's charts: bars and ticks in the units of an SVG, which the template draws.

Contract: numbers in, numbers and labels out; no markup. Every chart has its numbers as a table too, for those who do
not see it. Bars of one place are stacked in the order of their kinds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cardio_ner.report.html.counts import SCORE_BINS
from cardio_ner.report.html.run import Stretch

WIDTH, HEIGHT = 420, 210
LEFT, RIGHT, TOP, BOTTOM = 42, 20, 10, 38
"""The margins: a label of five characters fits to the left, and half of one to the right, also in a narrow window,
whose letters page.css makes larger."""
GAP = 1.5
MOST_BINS = 20
MOST_TICKS = 4


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle, the kind that gives its colour, and what it says when pointed at."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis and its label."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart and the same numbers as a table."""

    bars: tuple[Bar, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_title: str
    y_title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class _Column:
    """Bars on one another, over [begin, end) of the x axis; `name` says what it stands for."""

    begin: float
    end: float
    name: str
    heights: Mapping[str, float]


def mentions_per_document(documents_by_mentions: Mapping[int, int]) -> Chart:
    """How many documents have so many mentions."""
    most = max(documents_by_mentions, default=0)
    width = -(-(most + 1) // MOST_BINS)
    columns = []
    for begin in range(0, most + 1, width):
        number = sum(documents_by_mentions.get(n, 0) for n in range(begin, begin + width))
        name = f"{begin}" if width == 1 else f"{begin}–{begin + width - 1}"
        columns.append(_Column(begin, begin + width, name, {"documents": number}))
    steps = _round_steps(most + 1)
    x_ticks = [(at + (0.5 if width == 1 else 0), label) for at, label in zip(steps, _labels(steps), strict=True)]
    return _chart(columns, x_ticks, x_title="mentions", y_title="documents")


def scores(by_type: Mapping[str, Mapping[int, int]]) -> Chart:
    """How many mentions of each type have such scores."""
    columns = [
        _Column(
            place / SCORE_BINS,
            (place + 1) / SCORE_BINS,
            f"{place / SCORE_BINS:.2f}–{(place + 1) / SCORE_BINS:.2f}",
            {name: numbers.get(place, 0) for name, numbers in by_type.items()},
        )
        for place in range(SCORE_BINS)
    ]
    x_ticks = [(tenth / 10, f"{tenth / 10:.1f}") for tenth in range(0, 11, 2)]
    return _chart(columns, x_ticks, x_title="score", y_title="mentions")


def pace(stretches: Sequence[Stretch]) -> Chart:
    """Documents a second through a run."""
    columns = [
        _Column(part.begin_s, part.end_s, f"{part.begin_s:.0f}–{part.end_s:.0f} s", {"documents/s": part.per_second})
        for part in stretches
    ]
    end_s = max((part.end_s for part in stretches), default=1.0)
    unit_s, unit = (3600, "h") if end_s > 3 * 3600 else (60, "min") if end_s > 3 * 60 else (1, "s")
    x_ticks = [(at * unit_s, f"{at:g}") for at in _round_steps(end_s / unit_s, whole=False)]
    return _chart(columns, x_ticks, x_title=f"{unit} since the run's start", y_title="documents/s", whole=False)


def _chart(
    columns: Sequence[_Column], x_ticks: Sequence[tuple[float, str]], *, x_title: str, y_title: str, whole: bool = True
) -> Chart:
    """Columns drawn to scale, with a table of their numbers."""
    kinds = tuple(dict.fromkeys(kind for column in columns for kind in column.heights))
    steps = _round_steps(max((sum(column.heights.values()) for column in columns), default=0.0), whole=whole)
    first, last = (columns[0].begin, columns[-1].end) if columns else (0.0, 1.0)
    x_unit = (WIDTH - LEFT - RIGHT) / (last - first)
    y_unit = (HEIGHT - TOP - BOTTOM) / steps[-1]
    bars: list[Bar] = []
    for column in columns:
        top = HEIGHT - BOTTOM + 0.0
        x, width = LEFT + (column.begin - first) * x_unit, (column.end - column.begin) * x_unit
        for kind, value in column.heights.items():
            if value:
                top -= value * y_unit
                label = f"{column.name}: {_number(value, whole=whole)} {kind.lower()}"
                bars.append(_rounded(x, top, max(0.5, width - GAP), value * y_unit, kind, label))
    return Chart(
        bars=tuple(bars),
        x_ticks=tuple(Tick(round(LEFT + (at - first) * x_unit, 2), label) for at, label in x_ticks if at <= last),
        y_ticks=tuple(
            Tick(round(HEIGHT - BOTTOM - at * y_unit, 2), label)
            for at, label in zip(steps, _labels(steps), strict=True)
        ),
        x_title=x_title,
        y_title=y_title,
        columns=(x_title, *(kind.lower() for kind in kinds)),
        rows=tuple(
            (column.name, *(_number(column.heights[kind], whole=whole) for kind in kinds)) for column in columns
        ),
    )


def _rounded(x: float, y: float, width: float, height: float, kind: str, label: str) -> Bar:
    return Bar(round(x, 2), round(y, 2), round(width, 2), round(height, 2), kind, label)


def _number(value: float, *, whole: bool) -> str:
    return f"{value:,.0f}" if whole else f"{value:,.1f}"


def _labels(steps: Sequence[float]) -> list[str]:
    """An axis's labels, which must fit its margin: 0, 2,500, 5,000; 0, 5k, 10k; 0, 0.5M, 1M, 1.5M."""
    for least, unit, name in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if steps[-1] >= least:
            return [f"{at / unit:g}{name}" if at else "0" for at in steps]
    return [f"{at:,.0f}" if at.is_integer() else f"{at:g}" for at in steps]


def _round_steps(most: float, *, whole: bool = True) -> list[float]:
    """Round numbers from 0 to the first that is not less than `most`, in steps of 1, 2 or 5 times a power of ten."""
    power = 1.0 if whole else 1e-6
    while True:
        for step in (power, 2 * power, 5 * power):
            if step * MOST_TICKS >= most:
                return [round(step * n, 6) for n in range(max(1, math.ceil(most / step)) + 1)]
        power *= 10
