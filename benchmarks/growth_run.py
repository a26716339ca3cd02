"""A measured run of the whole job in processes of its own: started, watched, and made into figures.

Contract
- Start-up is apart: from the start of the process to the end of a first, small run, which loads Spark and models.
- What documents cost is what a run takes beyond the small runs (over SMALL_NOTES) just before and just after it, on
  average, divided among the other documents; so is processor time, by role. The small runs tell what any run costs.
- A process that runs over little text does so several times, up to ENOUGH_WORDS; the median is told.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median
from typing import Any

from growth_job import MARK
from process_usage import ROLES, Moment, Role, Watch

ROOT = Path(__file__).parents[1]
CONF = ROOT / "conf/spark/local.conf"
SMALL_NOTES = 300
"""Enough for both cores: fewer would let a second worker idle for so long that Spark ends it."""
ENOUGH_WORDS = 450_000
Look = tuple[Moment, Mapping[str, Any]]
"""What the process said, and what it had taken when it said it."""
MOST_MOMENTS = 200
"""Looks at memory that are kept of a run."""


@dataclass(frozen=True, slots=True)
class Input:
    """A folder of notes, what is in it, and what it is run with."""

    folder: Path
    documents: int
    words: int
    cores: int
    long_note_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took."""

    documents: int
    words: int
    cores: int
    long_note_bytes: int
    tokens: int
    mentions: int
    startup_seconds: dict[str, float]
    """From the start of the process to: imported, session, warmed up."""
    seconds: float
    small_seconds: float
    processor_seconds: dict[Role, float]
    peaks_bytes: dict[Role, int]
    live_heap_bytes: int
    tables: dict[str, dict[str, int]]
    moments: list[Moment]
    """Memory while the run itself went on; seconds from its beginning."""

    @property
    def seconds_per_document(self) -> float:
        """What a document costs, beside what any run does."""
        return (self.seconds - self.small_seconds) / (self.documents - SMALL_NOTES)

    @property
    def processor_seconds_per_document(self) -> float:
        """The same in processor time, all processes together."""
        return sum(self.processor_seconds.values()) / (self.documents - SMALL_NOTES)


def measure(
    notes: Input,
    *,
    warm_up: Path,
    small: Path,
    output: Path,
    checkpoint: Path | None,
    submit: str | None = None,
    device: str = "auto",
) -> Run:
    """Run the job over the notes, with spark-submit's options in `submit` or as conf/spark/local.conf has them. Raises
    RuntimeError if it fails."""
    arguments = [str(path) for path in (notes.folder, warm_up, small, output)]
    arguments += ["--repeats", str(max(1, ENOUGH_WORDS // notes.words)), "--device", device]
    arguments += ["--checkpoint", str(checkpoint)] if checkpoint else []
    options = submit or f"--master local[{notes.cores}] --properties-file {CONF}"
    command = [sys.executable, str(ROOT / "benchmarks/growth_job.py"), *arguments]
    environment = os.environ | {"PYSPARK_SUBMIT_ARGS": f"{options} pyspark-shell"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        with Watch(child.pid) as watch:
            lines = (line.removeprefix(MARK) for line in child.stdout if line.startswith(f"{MARK} "))
            told = [(watch.look(), json.loads(line)) for line in lines]
    if child.returncode:
        raise RuntimeError(f"the run over {notes.documents} notes ended with status {child.returncode}")
    return figures(notes, told, watch.moments, watch.peaks_bytes)


def figures(notes: Input, told: Sequence[Look], moments: Sequence[Moment], peaks_bytes: dict[Role, int]) -> Run:
    """The run as figures, from all that the process said, in order."""
    runs = [place for place, (_, facts) in enumerate(told) if facts["name"] == "run"]
    facts = told[runs[-1]][1]
    assert facts["documents"] == notes.documents, f"{facts['documents']} of {notes.documents} notes were read"
    tables = told[-1][1]
    return Run(
        documents=notes.documents,
        words=notes.words,
        cores=notes.cores,
        long_note_bytes=notes.long_note_bytes,
        tokens=facts["tokens"],
        mentions=facts["mentions"],
        startup_seconds={str(facts["name"]): moment.seconds for moment, facts in told[: runs[0] - 1]},
        seconds=median(told[place][1]["seconds"] for place in runs),
        small_seconds=median(mean(told[near][1]["seconds"] for near in (place - 1, place + 1)) for place in runs),
        processor_seconds={role: median(_beyond_small(role, told, place) for place in runs) for role in ROLES},
        peaks_bytes=peaks_bytes,
        live_heap_bytes=tables["live_heap_bytes"],
        tables={name: tables[name] for name in ("documents", "spans", "inputs")},
        moments=_during(moments, told[runs[-1] - 1][0], told[runs[-1]][0]),
    )


def _beyond_small(role: Role, told: Sequence[Look], place: int) -> float:
    """Processor seconds of a run beyond the mean of its two small ones."""
    spent = [
        told[near][0].processor_seconds.get(role, 0.0) - told[near - 1][0].processor_seconds.get(role, 0.0)
        for near in (place - 1, place, place + 1)
    ]
    return spent[1] - mean((spent[0], spent[2]))


def _during(moments: Sequence[Moment], begun: Moment, ended: Moment) -> list[Moment]:
    """At most MOST_MOMENTS of the looks between two, evenly, from the first of them on."""
    during = [moment for moment in moments if begun.seconds <= moment.seconds <= ended.seconds]
    step = -(-len(during) // MOST_MOMENTS) or 1
    return [replace(moment, seconds=moment.seconds - begun.seconds) for moment in during[::step]]
