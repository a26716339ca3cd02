"""From submit to the first batch: what is imported, forked and loaded. `python benchmarks/startup.py`

- The waterfall of a first run over a few notes in three languages, with conf/spark/local.conf and with it less one of
  its properties, interleaved: when each process was there, and how much of the processors each had had by the end.
- What a Python worker does before its first batch, step by step, in a process like it (worker_steps.py).
- Modules by package, of the driver and of a worker (`python -X importtime`).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console

from conditions import conditions, markdown_table, write_results
from growth_job import MARK
from growth_run import CONF, ROOT
from made_notes import read_sources, write_notes
from process_usage import ROLES, Role, Watch

NOTES = 60
IMPORTS = {
    "driver": f"import runpy; runpy.run_path({str(ROOT / 'jobs/annotate.py')!r}, run_name='imported')",
    "worker": "import cardio_ner.spark.worker",
}
PACKAGES = ("pyspark", "torch", "transformers", "tokenizers", "pyarrow", "pandas")
LEAST_SHARE = 0.01
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\w+)")
Waterfall = dict[str, float]


def main(
    rounds: Annotated[int, typer.Option(help="Interleaved rounds")] = 3,
    without: Annotated[str, typer.Option(help="The property that the other contender lacks")] = (
        "spark.driver.defaultJavaOptions"
    ),
) -> None:
    """Measure, and write Markdown and JSON into benchmarks/results."""
    falls: dict[str, list[Waterfall]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        write_notes(scratch / "notes", range(NOTES), read_sources())
        lines = CONF.read_text(encoding="utf-8").splitlines(keepends=True)
        other = scratch / "other.conf"
        other.write_text("".join(line for line in lines if not line.startswith(without)), encoding="utf-8")
        for number in range(rounds):
            for name, conf in (("local.conf", CONF), (f"without {without}", other)):
                falls[name].append(waterfall(conf, scratch / "notes", scratch / f"output-{conf.stem}-{number}"))
    worker = json.loads(_python(str(ROOT / "benchmarks/worker_steps.py")).stdout)
    imports = {name: import_times(_python("-X", "importtime", "-c", code).stderr) for name, code in IMPORTS.items()}
    data: dict[str, object] = {
        "conditions": conditions(PACKAGES),
        "waterfalls": falls,
        "worker": worker,
        "imports": imports,
    }
    report = write_results("startup", "Start-up of the Spark job", _sections(falls, worker, imports), data)
    Console().print(report.read_text(encoding="utf-8"), markup=False, highlight=False, soft_wrap=True)


def waterfall(conf: Path, notes: Path, output: Path) -> Waterfall:
    """Seconds from the start of the process to each event, and processor seconds of each role by the last of them."""
    submit = f"--master local[{os.cpu_count()}] --properties-file {conf} pyspark-shell"
    command = [sys.executable, str(ROOT / "benchmarks/growth_job.py"), *map(str, (notes, notes, notes, output))]
    times: Waterfall = {}
    environment = os.environ | {"PYSPARK_SUBMIT_ARGS": submit}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        with Watch(child.pid) as watch:
            for line in child.stdout:
                if line.startswith(f"{MARK} "):
                    last = watch.look()
                    name = json.loads(line.removeprefix(MARK))["name"]
                    times[{"warmed up": "first run done", "small": "second run done"}.get(name, name)] = last.seconds
                    if name == "warmed up":
                        times |= {f"processor, {role}": seconds for role, seconds in last.processor_seconds.items()}
                    if name == "small":
                        child.terminate()
                        break
    return times | {f"first {role}": _first_seen(watch, role) for role in ROLES[1:]}


def _first_seen(watch: Watch, role: Role) -> float:
    return next(moment.seconds for moment in watch.moments if role in moment.resident_bytes)


def import_times(told: str) -> dict[str, float]:
    """Seconds by top-level package, from what -X importtime writes: each module's own, without what it imports."""
    found: dict[str, float] = defaultdict(float)
    for microseconds, package in _IMPORT.findall(told):
        found[package] += int(microseconds) / 1e6
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)


def _sections(
    falls: dict[str, list[Waterfall]], worker: Sequence[tuple[str, float, float]], imports: dict[str, dict[str, float]]
) -> list[str]:
    medians = {name: {event: median(fall[event] for fall in runs) for event in runs[0]} for name, runs in falls.items()}
    ours = next(iter(medians.values()))
    events = sorted((e for e in ours if not e.startswith("processor")), key=ours.__getitem__)
    rows = [[event, *(f"{fall[event]:.1f}" for fall in medians.values())] for event in events]
    rows += [
        [f"{event} (by the first run's end)", *(f"{fall.get(event, 0.0):.1f}" for fall in medians.values())]
        for event in ours
        if event.startswith("processor")
    ]
    parts = ["## The waterfall", f"Seconds, medians of {len(next(iter(falls.values())))} interleaved rounds."]
    parts += [markdown_table(["event", *medians], rows), "## A worker before its first batch"]
    steps = [[name, f"{seconds:.2f}", f"{processor:.2f}"] for name, seconds, processor in worker]
    parts.append(markdown_table(["step", "s", "processor s"], steps))
    for name, packages in imports.items():
        total = sum(packages.values())
        share = [[p, f"{s:.2f}", f"{s / total:.0%}"] for p, s in packages.items() if s >= LEAST_SHARE * total]
        parts += [f"## What a {name} imports ({total:.1f} s)", markdown_table(["package", "s", "share"], share)]
    return parts


if __name__ == "__main__":
    typer.run(main)
