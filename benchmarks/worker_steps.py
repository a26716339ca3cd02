"""What a Spark Python worker does before its first batch, as JSON: [step, seconds, processor seconds].

A worker has pandas, pyarrow and pyspark already when it reads its function, and so has this process.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pandas  # noqa: F401
import pyarrow  # noqa: F401
import pyspark.sql  # noqa: F401

from made_notes import make_note, read_sources

Step = tuple[str, float, float]


def timed(name: str, work: Callable[[], object]) -> Step:
    """Do it, and say how long it took."""
    began = time.perf_counter(), time.process_time()
    work()
    return name, time.perf_counter() - began[0], time.process_time() - began[1]


def steps() -> list[Step]:
    """All of them, in their order."""
    done = [
        timed("import torch", lambda: __import__("torch")),
        timed("import the rest of the worker", lambda: __import__("cardio_ner.spark.worker")),
    ]
    from cardio_ner.tagger import Tagger

    taggers: list[Tagger] = []
    sources = read_sources()
    for number, code in enumerate(("es", "en", "it")):
        note = make_note(number, sources)
        done.append(timed(f"load the checkpoint {code}", lambda code=code: taggers.append(Tagger.load(code))))  # type: ignore[misc]
        done.append(timed(f"tag a first note, {code}", lambda note=note: list(taggers[-1].tag([note]))))  # type: ignore[misc]
    return done


if __name__ == "__main__":
    print(json.dumps(steps()))
