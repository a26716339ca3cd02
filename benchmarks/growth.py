"""Does the job's cost grow with its documents, and with nothing else? `python benchmarks/growth.py`

Runs the whole job (Parquet in, tables out, conf/spark/local.conf) over more and more notes of about 150 words, over a
thousand notes with one very long one among them, and over the middle size with one core; each run in processes of its
own, rounds interleaved. Reports time per document, processor time and peak memory by process. What a run took is in
growth_run.py, what the notes are in made_notes.py.

`--encoder tiny` (the default) has an encoder that costs next to nothing: what grows otherwise than it should is not
hidden behind the model. `--encoder shipped` takes the checkpoints that ship.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from conditions import conditions, write_results
from growth_report import picture, sections
from growth_run import SMALL_NOTES, Input, Run, measure
from made_notes import Sources, read_sources, write_notes
from tiny_encoder import write_tiny_checkpoint

LONG_NOTE_AMONG = 1_000
WARM_UP_NOTES_PER_CORE = 200
"""Enough that each core has a task, and so a worker that has loaded its models."""
PACKAGES = ("pyspark", "torch", "transformers", "tokenizers", "pyarrow", "pandas")
Kind = tuple[int, int, int]
"""What tells runs apart: documents, cores, bytes of the long note."""


class Encoder(StrEnum):
    tiny = "tiny"
    shipped = "shipped"


def main(
    sizes: Annotated[str, typer.Option(help="Documents of the runs")] = "1000,10000,100000",
    encoder: Annotated[Encoder, typer.Option(help="Random and tiny, or the checkpoints that ship")] = Encoder.tiny,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds; the largest size runs once")] = 3,
    cores: Annotated[int, typer.Option(help="Cores that Spark has")] = os.cpu_count() or 1,
    long_note_bytes: Annotated[int, typer.Option(help="Size of the long note; 0: without that run")] = 20_000_000,
    name: Annotated[str, typer.Option(help="What the results' files are called")] = "growth",
) -> None:
    """Measure, and write Markdown, JSON and a picture into benchmarks/results."""
    wanted = read_sizes(sizes)
    sources = read_sources()
    runs: dict[Kind, list[Run]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        checkpoint = write_tiny_checkpoint(scratch / "tiny") if encoder is Encoder.tiny else None
        warm_up, small = _few_notes(scratch, sources, cores=cores)
        inputs = list(_inputs(scratch / "notes", wanted, sources, cores=cores, long_note_bytes=long_note_bytes))
        for number in range(rounds):
            for notes in inputs if number == 0 else inputs[:-1]:
                output = scratch / f"output-{number}-{len(runs)}-{notes.documents}-{notes.cores}"
                run = measure(notes, warm_up=warm_up, small=small, output=output, checkpoint=checkpoint)
                runs[notes.documents, notes.cores, notes.long_note_bytes].append(run)
                _tell(run)
    told = conditions(PACKAGES) | {"notes": sources.name, "encoder": encoder.value}
    data: dict[str, object] = {"conditions": told, "runs": [asdict(run) for kind in runs.values() for run in kind]}
    report = write_results(name, "Growth of the Spark job", sections(list(runs.values())), data)
    picture(list(runs.values()), report.with_suffix(".png"))
    Console().print(report.read_text(encoding="utf-8"), markup=False, highlight=False, soft_wrap=True)


def read_sizes(sizes: str) -> list[int]:
    """The sizes, the smallest first. Raises BadParameter for one that leaves no document beside those of a small run,
    whose cost is taken off."""
    wanted = sorted(int(size) for size in sizes.split(","))
    if wanted[0] <= SMALL_NOTES:
        raise typer.BadParameter(f"--sizes {wanted[0]}: expected more than {SMALL_NOTES}, a small run's documents")
    return wanted


def _few_notes(scratch: Path, sources: Sources, *, cores: int) -> tuple[Path, Path]:
    """The notes that warm up, and those that tell what any run costs; no others are like them."""
    write_notes(scratch / "warm-up", range(90_000_000, 90_000_000 + WARM_UP_NOTES_PER_CORE * cores), sources)
    write_notes(scratch / "small", range(91_000_000, 91_000_000 + SMALL_NOTES), sources)
    return scratch / "warm-up", scratch / "small"


def _inputs(
    folder: Path, sizes: Sequence[int], sources: Sources, *, cores: int, long_note_bytes: int
) -> Iterator[Input]:
    """What each round runs over, the largest last; the middle size also on one core."""
    if long_note_bytes:
        numbers = range(LONG_NOTE_AMONG)
        words = write_notes(folder / "long", numbers, sources, long_note_bytes=long_note_bytes)
        yield Input(folder / "long", LONG_NOTE_AMONG + 1, words, cores, long_note_bytes)
    for size in sizes:
        notes = Input(folder / str(size), size, write_notes(folder / str(size), range(size), sources), cores)
        if size == sizes[(len(sizes) - 1) // 2] and cores > 1:
            yield Input(notes.folder, size, notes.words, 1)
        yield notes


def _tell(run: Run) -> None:
    typer.echo(
        f"{run.documents:,} documents, {run.cores} cores: {run.seconds:.1f} s, {run.seconds_per_document * 1e3:.2f} ms "
        f"a document ({run.processor_seconds_per_document * 1e3:.2f} of the processors)",
        err=True,
    )


if __name__ == "__main__":
    typer.run(main)
