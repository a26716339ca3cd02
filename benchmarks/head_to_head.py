"""Ours beside its peers and the chip's limit, over the same documents, in one run: `make benchmark`.

    the bare encoder, and the chip's matrix rate on its shapes
    Tagger.tag; the whole Spark job
    the recipe people copy (transformers' pipeline in a pandas UDF): as written, and at its best batch size
    EDS-NLP on its Spark backend, at its best batch size

for the checkpoint that ships and for a base-size encoder with random weights, or for one of them (`--encoder`). Each is
a process of its own, rounds are interleaved; benchmarks/README.md says how. Writes DATE-head-to-head.md, .json and .png
(of one encoder: DATE-head-to-head-shipped, DATE-base-size). Exit code 1: the Spark job and the Tagger did not find the
same mentions.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.markdown import Markdown
from transformers.utils import logging as transformers_logging

from cardio_ner.checkpoint import Checkpoint, packaged_model
from cardio_ner.encoder import choose_device, choose_dtype
from comparison.corpus import LANGUAGE, open_source
from comparison.encoders import write_base_size, write_minilm
from comparison.machine import ROOT, machine, provenance, versions_in
from comparison.pages import draw, markdown
from comparison.part import Part, Settings, run_part
from comparison.summary import goals, lines

PEERS = Path(".venv-peers/bin/python")
PEER_PACKAGES = ("edsnlp", "spacy", "torch", "transformers", "pyspark")
BASE_SIZE_SHARE = 8
"""A base-size encoder takes about eight times as long for a document."""
NO_BF16 = "this processor multiplies no bfloat16 in hardware"


class Encoder(StrEnum):
    shipped = "shipped"
    base = "base"


RESULTS = {None: "head-to-head", Encoder.shipped: "head-to-head-shipped", Encoder.base: "base-size"}
"""What the results of both encoders, or of one, are called."""


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds")] = 3,
    seconds: Annotated[float, typer.Option(help="About how long a round of the Tagger takes")] = 10,
    documents: Annotated[
        int | None, typer.Option(min=1, help="Documents, instead; the base-size encoder gets an eighth")
    ] = None,
    cores: Annotated[int, typer.Option(help="Threads, or Spark's local[…]")] = os.cpu_count() or 1,
    peers: Annotated[Path, typer.Option(help="Python with the packages of benchmarks/peers.txt")] = PEERS,
    encoder: Annotated[Encoder | None, typer.Option(help="This one alone", show_default="both")] = None,
    output: Annotated[Path, typer.Option(help="Folder for the results")] = ROOT / "benchmarks/results",
) -> None:
    """Measure all, write the results, and fail where the job's mentions are not the Tagger's."""
    console = Console(stderr=True)
    transformers_logging.set_verbosity_error()  # that heads are made, it says in a page of tables
    transformers_logging.disable_progress_bar()
    fast_bf16 = choose_dtype("auto", choose_device("cpu")) == torch.bfloat16
    settings = Settings(
        rounds=rounds,
        seconds=seconds,
        documents=documents,
        cores=cores,
        precisions=("fp32", "bf16") if fast_bf16 else ("fp32",),
        # not resolved: a virtual environment's Python is a link
        peers=str(peers.absolute()) if peers.exists() else None,
        conf=ROOT / "conf/spark/local.conf",
    )
    results = {
        "benchmark": "head to head",
        **provenance(),
        "machine": machine(),
        "cores": cores,
        "peer_versions": versions_in(peers, *PEER_PACKAGES) if peers.exists() else {},
        "not_run": not_run(settings, peers),
        "parts": [measure(each, settings, console) for each in Encoder if encoder in (None, each)],
    }
    page = write(results, output, RESULTS[encoder])
    Console().print(Markdown(page))
    refuse_differences(results)


def not_run(settings: Settings, peers: Path) -> dict[str, str]:
    """What the page says was left out, and why."""
    reasons = {}
    if "bf16" not in settings.precisions:
        reasons["bf16"] = NO_BF16
    if settings.peers is None:
        reasons["EDS-NLP"] = f"{peers} is not there: make benchmark makes it"
    return reasons


def measure(encoder: Encoder, settings: Settings, console: Console) -> dict[str, Any]:
    """One encoder's part, with its figures."""
    shipped = Checkpoint.open(packaged_model(LANGUAGE))
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        if encoder is Encoder.shipped:
            part = Part("The checkpoint that ships", shipped, write_minilm(scratch / "minilm", shipped))
        else:
            base = Checkpoint.open(write_base_size(scratch / "base", shipped))
            part, settings = Part("A base-size encoder (12 x 768)", base), settings.with_share(BASE_SIZE_SHARE)
        measured = run_part(part, open_source(), settings, scratch=scratch, say=console.print)
    return measured | {
        "lines": [asdict(line) for line in lines(measured)],
        "goals": [asdict(goal) for goal in goals(measured)],
    }


def write(results: dict[str, Any], output: Path, name: str) -> str:
    """The three files; the page's text."""
    output.mkdir(parents=True, exist_ok=True)
    stem = output / f"{results['date']}-{name}"
    picture = stem.with_suffix(".png")
    page = markdown(results, picture.name)
    stem.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    stem.with_suffix(".md").write_text(page, encoding="utf-8")
    draw(results, picture)
    return page


def refuse_differences(results: dict[str, Any]) -> None:
    """End with 1 where a mention of the job is not the Tagger's, or the other way round."""
    for part in results["parts"]:
        counts = part["agreement_with_tagger"]["the Spark job"]
        if counts["other_ends"] or counts["only_ours"] or counts["only_theirs"]:
            typer.echo(f"{part['name']}: the Spark job and Tagger.tag differ: {counts}", err=True)
            raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
