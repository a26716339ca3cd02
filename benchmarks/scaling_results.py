"""What scaling.py takes from benchmarks/results: of each kind of run the latest, of head to head every one.

Contract: rates are what the files say, per core or per GPU. One is carried over: the job on a GPU was measured on long
documents in English; for a token of a note it is taken to need the same time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

from conditions import RESULTS
from growth_run import SMALL_NOTES
from scaling_arithmetic import Tables


@dataclass(frozen=True, slots=True)
class Growth:
    """What the growth run says of any encoder."""

    tables: Tables
    any_batch_seconds: float
    spark_seconds_per_note: float
    """Processor time of all but the Python workers."""
    file: str


@dataclass(frozen=True, slots=True)
class Rate:
    """The whole job on one kind of core."""

    where: str
    words_per_second_per_core: float


@dataclass(frozen=True, slots=True)
class GpuRate:
    """What one GPU reads, and the cores beside it; None: as many as keep it from waiting."""

    encoder: str
    what: str
    tokens_per_second: float
    counts: Literal["window tokens", "tokens"] = "window tokens"
    """What these are: what the encoder reads, or what documents have, where windows overlap as much as they do."""
    cores: float | None = None


def read_growth() -> Growth:
    """From the latest growth run, at its largest size."""
    file = latest("growth")
    told = json.loads(file.read_text(encoding="utf-8"))
    most_cores = max(run["cores"] for run in told["runs"])
    runs = [run for run in told["runs"] if not run["long_note_bytes"] and run["cores"] == most_cores]
    largest = max(runs, key=lambda run: int(run["documents"]))
    tables = largest["tables"]
    return Growth(
        Tables(
            tables["documents"]["bytes"] / largest["documents"],
            tables["spans"]["bytes"] / largest["mentions"],
        ),
        median(run["small_seconds"] for run in runs),
        sum(spent for role, spent in largest["processor_seconds"].items() if role != "worker") / largest["documents"],
        file.name,
    )


def read_task_seconds_per_token() -> float:
    """From the latest feeding run, over notes of about 150 words."""
    notes = next(iter(json.loads(latest("feeding").read_text(encoding="utf-8"))["measured"].values()))
    return float(median(notes["seconds"]["task"]) / notes["tokens"])


def latest(name: str) -> Path:
    """Results of that name, the latest."""
    return max(RESULTS.glob(f"*-{name}.json"))


def read_rates() -> list[Rate]:
    """Of each head-to-head run, the whole job's with the checkpoint that ships."""
    rates = []
    for file in sorted(RESULTS.glob("*-head-to-head*.json")):
        told = json.loads(file.read_text(encoding="utf-8"))
        part = told["parts"][0]
        job = next(contender for contender in part["contenders"] if contender["child"] == "job")
        seconds = median(float(round_["seconds"]) for round_ in job["rounds"])
        flags = ", ".join(told["machine"]["flags"])
        where = f"{told['machine']['cpu']} ({flags}), measured in {file.name}"
        rates.append(Rate(where, part["corpus"]["words"] / seconds / told["cores"]))
    return rates


def read_gpu_rates() -> list[GpuRate]:
    """The bare encoders of the latest gpu.py, and the fastest run of the whole job of the latest gpu_job.py; its cores
    are those that were busy beyond a small run."""
    file = latest("gpu")
    rates = []
    for name, part in json.loads(file.read_text(encoding="utf-8"))["encoders"].items():
        bare = max(rate for what, rate in part["tokens_per_second"].items() if what.startswith("bare"))
        rates.append(GpuRate(name, f"bare, {file.name}", bare))
    file = latest("gpu-job")
    run = min(json.loads(file.read_text(encoding="utf-8"))["runs"], key=lambda run: float(run["seconds"]))
    seconds = run["seconds"] - run["small_seconds"]
    tokens = run["tokens"] * (run["documents"] - SMALL_NOTES) / run["documents"]
    busy = sum(run["processor_seconds"].values()) / seconds
    return [
        *rates,
        GpuRate("shipped", f"the whole job, {run['tasks']} tasks, {file.name}", tokens / seconds, "tokens", busy),
    ]
