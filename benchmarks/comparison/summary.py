"""What a part's rounds come to: rates by contender, ratios to ours, and the goals that were set for them.

Contract
- Everything here follows from the JSON of a part alone: tables can be made again from the file.
- Words are compared, as encoders cut them differently; document tokens where the tokenizer is ours; window tokens (all
  that an encoder reads) between the job and the bare limit.
- The bare limit and the matrix rate are each those of the faster layout of processes and threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from comparison.figures import Spread, rates, times_faster

OUR_TOKENIZER = ("tagger", "job", "recipe")
GOALS = {
    "bare limit: FLOP/s by the chip's on its matrices": 0.60,
    "Spark job: window tokens/s by the bare limit's": 0.85,
    "Spark job: words/s by the recipe's as written": 8.0,
    "Spark job: words/s by the recipe's at its best": 2.5,
    "Spark job: words/s by EDS-NLP's at its best": 2.5,
    "Spark job: words/s by the recipe's as written on MiniLM": 20.0,
}


@dataclass(frozen=True, slots=True)
class Line:
    """One contender's rates; None where there is nothing to count or compare."""

    name: str
    seconds: Spread
    words_per_second: Spread | None
    tokens_per_second: Spread | None
    window_tokens_per_second: Spread | None
    gflops_per_second: Spread | None
    job_is_faster: Spread | None
    tagger_is_faster: Spread | None


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio that was aimed at, and what it is."""

    name: str
    aimed_at: float
    measured: Spread


def seconds_of(contender: dict[str, Any]) -> list[float]:
    """Of its rounds."""
    return [float(round_["seconds"]) for round_ in contender["rounds"]]


def lines(part: dict[str, Any]) -> list[Line]:
    """One for each contender, in their order."""
    return [_line(part, contender) for contender in part["contenders"]]


def _line(part: dict[str, Any], contender: dict[str, Any]) -> Line:
    seconds, corpus, child = seconds_of(contender), part["corpus"], contender["child"]
    tags = child != "bare"
    windows = contender["rounds"][0]["window_tokens"]
    job, tagger = (seconds_of(_first(part, name)) for name in ("job", "tagger"))
    return Line(
        contender["name"],
        Spread.of(seconds),
        rates(corpus["words"], seconds) if tags else None,
        rates(corpus["tokens"], seconds) if child in OUR_TOKENIZER else None,
        rates(windows, seconds) if windows else None,
        rates(_flops(part, contender) / 1e9, seconds) if not tags else None,
        times_faster(job, seconds) if tags else None,
        times_faster(tagger, seconds) if tags else None,
    )


def goals(part: dict[str, Any]) -> list[Goal]:
    """Those of GOALS that the part has the contenders for."""
    job = seconds_of(_first(part, "job"))
    forward, matrices = _fastest(part, "forward"), _fastest(part, "matrices")
    rivals = {
        "Spark job: words/s by the recipe's as written": _as_written(part, "recipe"),
        "Spark job: words/s by the recipe's at its best": _best(part, "recipe"),
        "Spark job: words/s by EDS-NLP's at its best": _best(part, "eds"),
        "Spark job: words/s by the recipe's as written on MiniLM": _as_written(part, "own vocabulary"),
    }
    bare, windows = _rates(forward, "window_tokens"), part["corpus"]["window_tokens"]
    measured = {
        "bare limit: FLOP/s by the chip's on its matrices": Spread.of(
            [
                _flops(part, forward) / own / (_flops(part, matrices) / chip)
                for own, chip in zip(seconds_of(forward), seconds_of(matrices), strict=True)
            ]
        ),
        "Spark job: window tokens/s by the bare limit's": Spread.of(
            [windows / own / limit for own, limit in zip(job, bare, strict=True)]
        ),
        **{name: times_faster(job, seconds_of(rival)) for name, rival in rivals.items() if rival},
    }
    return [Goal(name, GOALS[name], ratio) for name, ratio in measured.items()]


def _flops(part: dict[str, Any], contender: dict[str, Any]) -> float:
    """Operations of one round of a bare contender."""
    facts = part["children"]["bare"]
    each = facts["flops_per_token" if contender["variant"].startswith("forward") else "linear_flops_per_token"]
    return float(each * contender["rounds"][0]["window_tokens"])


def _rates(contender: dict[str, Any], amount: str) -> list[float]:
    return [round_[amount] / round_["seconds"] for round_ in contender["rounds"]]


def _fastest(part: dict[str, Any], kind: str) -> dict[str, Any]:
    """The layout with the highest median rate."""
    layouts = [each for each in part["contenders"] if each["variant"].startswith(kind)]
    return max(layouts, key=lambda each: Spread.of(_rates(each, "window_tokens")).median)


def _first(part: dict[str, Any], child: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in part["contenders"] if each["child"] == child)
    return found


def _as_written(part: dict[str, Any], child: str) -> dict[str, Any] | None:
    """The first of a peer's contenders."""
    return next((each for each in part["contenders"] if each["child"] == child), None)


def _best(part: dict[str, Any], child: str) -> dict[str, Any] | None:
    """The fastest of a peer's contenders."""
    of_child = [each for each in part["contenders"] if each["child"] == child]
    return min(of_child, key=lambda each: Spread.of(seconds_of(each)).median, default=None)
