"""What the parent and its children say to each other: one JSON object a line, over standard input and output.

    child  ─► {"startup_seconds": 9.1, …}                                        when it is ready: its facts
    parent ─► {"variant": "fp32 x 8", "corpus": "…", "found": "…"}
    child  ─► {"seconds": 12.3, "documents": 28, "tokens": 50321, …}             a Round

Contract
- Between lines a child only waits. The same work is done once more before each round, over `warm_up`, and not timed:
  Spark lets idle workers go after a minute, and a start is no part of a round.
- The mentions of a round go to the file `found` after the clock has stopped, sorted: equal mentions, equal files.
- Standard output is the protocol's alone: whatever libraries print goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TextIO


class Found(NamedTuple):
    """One mention that a candidate found."""

    doc_id: str
    start: int
    end: int
    entity_type: str


@dataclass(frozen=True, slots=True)
class Task:
    """What a child is told when it starts. Corpora are folders of Parquet: doc_id, language, text."""

    checkpoint: str
    window_tokens: int
    overlap_tokens: int
    cores: int
    warm_up: str
    scratch: str
    conf: str
    """A file of Spark properties: the same for all."""


@dataclass(frozen=True, slots=True)
class Round:
    """One pass over a corpus. Tokens are the text's own, each counted once; window tokens are all that an encoder
    reads, overlap and special tokens with them. None: not known."""

    seconds: float
    documents: int | None = None
    tokens: int | None = None
    window_tokens: int | None = None
    found: tuple[Found, ...] = field(default=(), repr=False)


class Candidate(Protocol):
    """What a candidate's `open_candidate(task)` gives: loaded, and ready to run."""

    facts: dict[str, Any]

    def run(self, variant: str, corpus: str) -> Round:
        """Tag the corpus once."""
        ...


def serve(open_candidate: Callable[[Task], Candidate], task: Task) -> None:
    """Answer requests until standard input ends."""
    answers = _take_standard_output()
    started = time.perf_counter()
    candidate = open_candidate(task)
    _say(answers, {"startup_seconds": time.perf_counter() - started} | candidate.facts)
    for line in sys.stdin:
        request = json.loads(line)
        candidate.run(request["variant"], task.warm_up)
        done = candidate.run(request["variant"], request["corpus"])
        write_found(Path(request["found"]), done.found)
        answer = {name: getattr(done, name) for name in ("seconds", "documents", "tokens", "window_tokens")}
        _say(answers, answer | {"mentions": len(done.found)})


def write_found(path: Path, found: tuple[Found, ...]) -> None:
    """The mentions, sorted, one a line."""
    path.write_text("".join(json.dumps(mention) + "\n" for mention in sorted(found)), encoding="utf-8")


def read_found(path: Path) -> set[Found]:
    """What `write_found` wrote."""
    return {Found(*json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()}


def _take_standard_output() -> TextIO:
    """The stream to answer on. From here on, descriptor 1 is standard error, for libraries and child processes too."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    sys.stdout.flush()
    os.dup2(2, 1)
    return answers


def _say(answers: TextIO, value: dict[str, Any]) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()
