"""One run of the whole job, a process of its own, which says on stdout when each part is over (see growth_run.py).

    imported ─► session ─► warmed up (a first run) ─► small ─► run ─► small ─► run ─► … ─► small ─► tables

Contract: each line is `growth <JSON>`; times are the process's own. Workers stay warm from the first run on, and each
run writes to an output of its own.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from pyspark.sql import SparkSession

from cardio_ner.document import LANGUAGES
from cardio_ner.spark.account import RunAccount
from cardio_ner.spark.pipeline import annotate
from cardio_ner.spark.session import session
from cardio_ner.spark.settings import Settings

MARK = "growth"


def main(
    notes: Annotated[Path, typer.Argument(help="Folder with the notes of this run")],
    warm_up: Annotated[Path, typer.Argument(help="Folder with a few notes to load the models with")],
    small: Annotated[Path, typer.Argument(help="Folder with a few notes that tell what any run costs")],
    output: Annotated[Path, typer.Argument(help="Folder for the tables; it is not there yet")],
    repeats: Annotated[int, typer.Option(help="Runs over the notes, each between two small ones")] = 1,
    checkpoint: Annotated[Path | None, typer.Option(help="Of all languages; without it those that ship")] = None,
    device: Annotated[str, typer.Option(help="As in conf/annotate.yaml")] = "auto",
) -> None:
    """Run the job over the three inputs in turn."""
    tell("imported")
    settings = Settings(device=device)
    if checkpoint:
        settings = Settings(device=device, checkpoints=dict.fromkeys(LANGUAGES, str(checkpoint)))
    with session("cardio-ner growth") as spark:
        spark.sparkContext.setLogLevel("ERROR")
        tell("session")
        order = [("warmed up", warm_up), *[("small", small), ("run", notes)] * repeats, ("small", small)]
        for number, (name, folder) in enumerate(order):
            started = time.perf_counter()
            account = annotate(spark, str(folder), f"{output}/{number}", settings)
            tell(name, seconds=time.perf_counter() - started, **facts_of(account))
        tell("tables", live_heap_bytes=live_heap_bytes(spark), **tables_of(output / str(len(order) - 2)))


def tell(name: str, **facts: Any) -> None:
    """One line for growth_run.py."""
    print(MARK, json.dumps({"name": name} | facts), flush=True)


def facts_of(account: RunAccount) -> dict[str, int]:
    """What the run read and found."""
    return {
        "documents": sum(batch.n_rows for batch in account.batches),
        "tokens": sum(batch.n_tokens for batch in account.batches),
        "mentions": sum(account.mentions().values()),
        "batches": len(account.batches),
    }


def live_heap_bytes(spark: SparkSession) -> int:
    """What is left in the driver's heap after a collection: resident memory also has what it has not given back yet."""
    jvm: Any = spark.sparkContext._jvm
    jvm.java.lang.System.gc()
    runtime = jvm.java.lang.Runtime.getRuntime()
    return int(runtime.totalMemory() - runtime.freeMemory())


def tables_of(output: Path) -> dict[str, dict[str, int]]:
    """Files and bytes of each table."""
    files = {name: list((output / name).rglob("*.parquet")) for name in ("documents", "spans", "inputs")}
    return {
        name: {"files": len(paths), "bytes": sum(path.stat().st_size for path in paths)}
        for name, paths in files.items()
    }


if __name__ == "__main__":
    typer.run(main)
