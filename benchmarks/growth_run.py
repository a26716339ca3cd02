"""A measured run of the whole job in processes of its own: started, watched, and made into figures.

Contract
- Start-up is apart: from the start of the process to the end of a first, small run, which loads Spark and models.
- `small_seconds` is what a run over SMALL_NOTES takes just before and just after, on average: the cost of any run. What
  documents cost is the rest, and it is divided among the other documents.
- Processor time is that of the run alone, by role, the small runs' mean taken off.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from growth_job import MARK
from process_usage import ROLES, Moment, Role, Watch

ROOT = Path(__file__).parents[1]
CONF = ROOT / "conf/spark/local.conf"
SMALL_NOTES = 100
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


def measure(notes: Input, *, warm_up: Path, small: Path, output: Path, checkpoint: Path | None) -> Run:
    """Run the job over the notes. Raises RuntimeError if it fails."""
    arguments = [str(path) for path in (notes.folder, warm_up, small, output)]
    arguments += ["--checkpoint", str(checkpoint)] if checkpoint else []
    submit = f"--master local[{notes.cores}] --properties-file {CONF} pyspark-shell"
    command = [sys.executable, str(ROOT / "benchmarks/growth_job.py"), *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYSPARK_SUBMIT_ARGS": submit}
    ) as child:
        assert child.stdout is not None
        with Watch(child.pid) as watch:
            told = {}
            for line in child.stdout:
                if line.startswith(f"{MARK} "):
                    facts = json.loads(line.removeprefix(MARK))
                    told[facts["name"]] = (watch.look(), facts)
    if child.returncode:
        raise RuntimeError(f"the run over {notes.documents} notes ended with status {child.returncode}")
    return figures(notes, told, watch.moments, watch.peaks_bytes)


def figures(
    notes: Input,
    told: Mapping[str, tuple[Moment, Mapping[str, Any]]],
    moments: Sequence[Moment],
    peaks_bytes: dict[Role, int],
) -> Run:
    """The run as figures; `told` has what the process said, and the look that was taken when it said it."""
    begun, ended = told["begun"][0], told["run"][0]
    during = [moment for moment in moments if begun.seconds <= moment.seconds <= ended.seconds]
    small = [(told["warmed up"][0], begun), (ended, told["small again"][0])]
    facts = told["run"][1]
    assert facts["documents"] == notes.documents, f"{facts['documents']} of {notes.documents} notes were read"
    return Run(
        documents=notes.documents,
        words=notes.words,
        cores=notes.cores,
        long_note_bytes=notes.long_note_bytes,
        tokens=facts["tokens"],
        mentions=facts["mentions"],
        startup_seconds={name: told[name][0].seconds for name in ("imported", "session", "warmed up")},
        seconds=facts["seconds"],
        small_seconds=mean(told[name][1]["seconds"] for name in ("small", "small again")),
        processor_seconds={
            role: _spent(role, begun, ended) - mean(_spent(role, *parts) for parts in small) for role in ROLES
        },
        peaks_bytes=peaks_bytes,
        live_heap_bytes=told["tables"][1]["live_heap_bytes"],
        tables={name: told["tables"][1][name] for name in ("documents", "spans", "inputs")},
        moments=_thinned([Moment(m.seconds - begun.seconds, m.resident_bytes, m.processor_seconds) for m in during]),
    )


def _spent(role: Role, first: Moment, last: Moment) -> float:
    return last.processor_seconds.get(role, 0.0) - first.processor_seconds.get(role, 0.0)


def _thinned(moments: Sequence[Moment]) -> list[Moment]:
    """At most MOST_MOMENTS of them, evenly."""
    step = -(-len(moments) // MOST_MOMENTS) or 1
    return list(moments[::step])
