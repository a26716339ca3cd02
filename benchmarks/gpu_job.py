"""The whole Spark job on one GPU, Parquet in, tables out: `PYTHONPATH=benchmarks python benchmarks/gpu_job.py`

A cluster on this machine (`local-cluster`) with the properties of conf/spark/standalone-gpu.conf: one executor that has
the GPU, and 4, 8, … tasks that share it, each with a Python worker of its own. What a document takes is what a run
takes beyond a small one in the same session (growth_run.py), so Spark's start is apart. Beside it: the memory that the
workers and the GPU held at most.

Contract
- Documents are English and long, as gpu.py's. A run should take ten times what a small one does, or the difference of
  the two says little.
- The GPU's memory is that of the fullest GPU of the machine, whatever runs on it.
- `--device cpu` tries the script out where no GPU is.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cardio_ner.checkpoint import packaged_model
from comparison.corpus import LANGUAGE, Source, open_source, sizes, write_corpus
from conditions import conditions, markdown_table, write_results
from growth_run import ROOT, SMALL_NOTES, Input, Run, measure

CONF = ROOT / "conf/spark/standalone-gpu.conf"
WORKER_MB = 6144
"""Memory of the cluster's one worker: what the conf file asks for the executor's heap, and more."""
PACKAGES = ("pyspark", "torch", "pyarrow", "pandas")


def submit_options(n_tasks: int, device: str) -> str:
    """spark-submit's options for a cluster whose one executor runs so many tasks on one GPU."""
    confs = {"spark.executor.cores": n_tasks, "spark.authenticate.secret": "on-this-machine-alone"}
    if device == "auto":
        script = ROOT / "conf/spark/gpus.sh"
        confs |= {f"spark.{role}.resource.gpu.discoveryScript": script for role in ("worker", "executor")}
        confs |= {"spark.worker.resource.gpu.amount": 1, "spark.task.resource.gpu.amount": 1 / n_tasks}
    else:
        confs |= {"spark.executor.resource.gpu.amount": 0, "spark.task.resource.gpu.amount": 0}
    options = [f"--master local-cluster[1,{n_tasks},{WORKER_MB}]", f"--properties-file {CONF}"]
    return " ".join([*options, *(f"--conf {key}={value}" for key, value in confs.items())])


@contextmanager
def gpu_memory() -> Iterator[list[int]]:
    """MiB of each GPU in use, twice a second; the list is filled when the block is left."""
    seen: list[int] = []
    try:
        command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-lms", "500"]
        watcher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    except FileNotFoundError:
        yield seen
        return
    try:
        yield seen
    finally:
        watcher.terminate()
        told, _ = watcher.communicate()
        seen += [int(line) for line in told.split() if line.isdecimal()]


def sections(runs: Sequence[tuple[int, Run, int]]) -> list[str]:
    """The table of (tasks, run, MiB of the GPU)."""
    columns = [
        "tasks", "documents", "tokens", "s", "s of a small run", "tokens/s beyond it", "words/s", "processor s",
        "a worker's memory, MB", "the GPU's memory, MiB", "s to the first run's end",
    ]  # fmt: skip
    rows = [
        [
            f"{n_tasks}", f"{run.documents:,}", f"{run.tokens:,}", f"{run.seconds:.1f}", f"{run.small_seconds:.1f}",
            f"{run.tokens / run.documents / run.seconds_per_document:,.0f}",
            f"{run.words / run.documents / run.seconds_per_document:,.0f}",
            f"{sum(run.processor_seconds.values()):.0f}", f"{run.peaks_bytes.get('worker', 0) / 1e6:,.0f}",
            f"{gpu_mib:,}", f"{run.startup_seconds['warmed up']:.0f}",
        ]
        for n_tasks, run, gpu_mib in runs
    ]  # fmt: skip
    return [markdown_table(columns, rows)]


def write_notes(scratch: Path, source: Source, n_documents: int, *, cores: int) -> Input:
    """The notes, and beside them those of the small run (no others are like them) and of the warm-up."""
    documents = source.take(n_documents + SMALL_NOTES)
    notes = documents[:n_documents]
    write_corpus(scratch / "warm-up", source.excerpts(cores), cores=cores)
    write_corpus(scratch / "small", documents[n_documents:], cores=cores)
    folder = Path(write_corpus(scratch / "notes", notes, cores=cores))
    return Input(folder, n_documents, sizes(notes)["words"], cores)


def run_with(n_tasks: int, notes: Input, scratch: Path, device: str) -> tuple[int, Run, int]:
    """(tasks, run, MiB of the GPU at most) of one cluster."""
    with gpu_memory() as seen:
        run = measure(
            replace(notes, cores=n_tasks),
            warm_up=scratch / "warm-up",
            small=scratch / "small",
            output=scratch / f"output-{n_tasks}",
            checkpoint=Path(packaged_model(LANGUAGE)),
            submit=submit_options(n_tasks, device),
            device=device,
        )
    typer.echo(f"{n_tasks} tasks: {run.seconds:.1f} s", err=True)
    return n_tasks, run, max(seen, default=0)


def main(
    tasks: Annotated[str, typer.Option(help="Tasks that share the GPU, a run for each")] = "4,8,14",
    n_documents: Annotated[int, typer.Option("--documents")] = 60_000,
    device: Annotated[str, typer.Option(help="auto: the GPU that Spark gives; cpu to try the script")] = "auto",
) -> None:
    """Measure, and write Markdown and JSON into benchmarks/results."""
    counts, source = [int(each) for each in tasks.split(",")], open_source()
    with tempfile.TemporaryDirectory() as folder:
        notes = write_notes(Path(folder), source, n_documents, cores=max(counts))
        runs = [run_with(n_tasks, notes, Path(folder), device) for n_tasks in counts]
    told = conditions(PACKAGES) | {"GPU": _gpu_name(), "notes": source.name, "device": device}
    kept = [asdict(run) | {"tasks": n_tasks, "gpu_mib": gpu_mib} for n_tasks, run, gpu_mib in runs]
    report = write_results("gpu-job", "The Spark job on one GPU", sections(runs), {"conditions": told, "runs": kept})
    Console().print(report.read_text(encoding="utf-8"), markup=False, highlight=False, soft_wrap=True)


def _gpu_name() -> str:
    try:
        command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (FileNotFoundError, subprocess.CalledProcessError):
        return "none"


if __name__ == "__main__":
    typer.run(main)
