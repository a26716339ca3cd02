"""benchmarks/child_process.py: processes of their own, with their environment; and what conditions.py writes."""

import json
import os
from pathlib import Path

import pytest

import conditions
from child_process import Child, Timed, timed
from conditions import markdown_table, write_results


def test_a_child_is_one_process_of_its_own_until_the_block_ends() -> None:
    with Child() as child:
        first = child(os.getpid)
        assert first != os.getpid()
        assert child(os.getpid) == first


def test_a_child_starts_in_its_environment_and_leaves_ours_alone() -> None:
    with Child({"MALLOC_MMAP_MAX_": "0"}) as child, Child() as other:
        assert child(os.getenv, "MALLOC_MMAP_MAX_") == "0"
        assert child(os.getenv, "OMP_WAIT_POLICY") == "PASSIVE"
        assert other(os.getenv, "MALLOC_MMAP_MAX_") is None
    assert "MALLOC_MMAP_MAX_" not in os.environ


def test_an_error_in_a_child_is_raised_here() -> None:
    with Child() as child, pytest.raises(ZeroDivisionError):
        child(divmod, 1, 0)


def test_work_that_computes_takes_processor_time_and_is_done_once() -> None:
    calls = []
    took = timed(lambda: calls.append(sum(range(200_000))))
    assert isinstance(took, Timed)
    assert len(calls) == 1
    assert took.cpu_seconds > 0
    assert took.wall_seconds > 0
    assert took.resident_mb > 1


def test_results_are_a_page_and_json_with_the_conditions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "RESULTS", tmp_path / "results")
    told = conditions.conditions(["numpy", "no-such-package"])
    page = write_results("name", "Title", [markdown_table(["", "ms"], [["a", "1"]])], {"conditions": told, "x": 1})
    assert page.name == f"{told['date'][:10]}-name.md"
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Title\n\n- date: ")
    assert "|  | ms |\n| --- | ---: |\n| a | 1 |\n" in text
    assert "no-such-package: not installed" in text
    assert json.loads(page.with_suffix(".json").read_text(encoding="utf-8")) == {"conditions": told, "x": 1}
