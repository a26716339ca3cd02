"""Parent and child over the real protocol, with a toy candidate."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from candidates.protocol import Found, Task, read_found
from comparison.children import Child, ChildError

TOY = '''"""A toy: answers how often it ran; prints where only the protocol may speak; dies when asked to."""
import os
from candidates.protocol import Found, Round


class Toy:
    facts = {"kind": "toy"}
    runs = 0

    def run(self, variant, corpus):
        self.runs += 1
        print("noise", flush=True)
        os.system("echo noise of a child")
        if variant == "die":
            raise SystemExit("the end")
        return Round(float(self.runs), 2, 30, 40, (Found("b", 3, 5, "M"), Found("a", 1, 9, "M")))


def open_candidate(task):
    return Toy()
'''
MAIN = """import json, sys
from candidates.protocol import Task, serve
from toys.toy import open_candidate
serve(open_candidate, Task(**json.loads(sys.argv[2])))
"""


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    package = tmp_path / "toys"
    package.mkdir()
    for name, code in {"__init__.py": "", "__main__.py": MAIN, "toy.py": TOY}.items():
        (package / name).write_text(code, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return Task(
        checkpoint="none", window_tokens=8, overlap_tokens=2, cores=1, warm_up="few", scratch=str(tmp_path), conf="none"
    )


def test_a_round_is_answered_after_one_that_is_not_timed(task: Task, tmp_path: Path) -> None:
    with Child.start("toy", task, label="toy", package="toys") as child:
        facts = child.facts()
        first, second = (child.run("any", "corpus", tmp_path / "found.jsonl") for _ in range(2))
    assert facts["kind"] == "toy"
    assert facts["startup_seconds"] >= 0
    assert first == {"seconds": 2.0, "documents": 2, "tokens": 30, "window_tokens": 40, "mentions": 2}
    assert second["seconds"] == 4.0
    assert read_found(tmp_path / "found.jsonl") == {Found("a", 1, 9, "M"), Found("b", 3, 5, "M")}


def test_equal_mentions_are_equal_files_in_whatever_order_they_came(task: Task, tmp_path: Path) -> None:
    with Child.start("toy", task, label="toy", package="toys") as child:
        child.facts()
        child.run("any", "corpus", tmp_path / "found.jsonl")
    assert [line[:4] for line in (tmp_path / "found.jsonl").read_text(encoding="utf-8").splitlines()] == [
        '["a"',
        '["b"',
    ]


def test_a_child_that_ends_says_why(task: Task, tmp_path: Path) -> None:
    with Child.start("toy", task, label="toy", package="toys") as child:
        child.facts()
        with pytest.raises(ChildError, match=r"toy ended with 1 and no answer(.|\n)*noise(.|\n)*the end"):
            child.run("die", "corpus", tmp_path / "found.jsonl")


def test_a_child_that_waits_uses_no_processor_time(task: Task) -> None:
    with Child.start("toy", task, label="toy", package="toys") as child:
        child.facts()
        before = child.cpu_seconds()
        time.sleep(0.5)
        assert child.cpu_seconds() == before


def test_a_child_is_gone_when_it_is_left(task: Task) -> None:
    with Child.start("toy", task, label="toy", package="toys") as child:
        child.facts()
    assert child.process.returncode == 0
