"""What the figures of a growth run are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from growth import read_sizes
from growth_report import picture, sections
from growth_run import SMALL_NOTES, Input, Run, figures
from process_usage import Moment
from startup import import_times

MB = 2**20


def moment(seconds: float, worker: float, jvm: float = 0.0) -> Moment:
    return Moment(seconds, {"worker": 500 * MB, "jvm": 700 * MB}, {"worker": worker, "jvm": jvm})


def run_over(documents: int, seconds: float, *, cores: int = 2) -> Run:
    """A run whose small ones took 2 s, 1 s of a worker each."""
    small: dict[str, Any] = {"seconds": 2.0}
    found = {"documents": documents, "tokens": 9, "mentions": 3, "seconds": seconds}
    tables = {name: {"files": 1, "bytes": 10} for name in ("documents", "spans", "inputs")}
    told: list[tuple[Moment, dict[str, Any]]] = [
        (moment(1, 0), {"name": "imported"}),
        (moment(3, 0), {"name": "session"}),
        (moment(10, 5), small | {"name": "warmed up"}),
        (moment(12, 6), small | {"name": "small"}),
        (moment(12 + seconds, 16, 4), found | {"name": "run"}),
        (moment(14 + seconds, 17, 4), small | {"name": "small"}),
        (moment(15 + seconds, 17, 4), tables | {"name": "tables", "live_heap_bytes": 90 * MB}),
    ]
    notes = Input(Path("notes"), documents, 150 * documents, cores)
    return figures(notes, told, [look for look, _ in told], {"worker": 600 * MB, "jvm": 800 * MB})


def test_what_any_run_costs_is_no_documents_cost() -> None:
    run = run_over(SMALL_NOTES + 1_000, 12.0)
    assert run.seconds_per_document == pytest.approx(0.010)
    assert run.processor_seconds_per_document == pytest.approx((10 - 1 + 4) / 1_000)


def test_a_runs_moments_are_its_own() -> None:
    run = run_over(SMALL_NOTES + 1_000, 12.0)
    assert [each.seconds for each in run.moments] == [0, 12]
    assert run.startup_seconds == {"imported": 1, "session": 3, "warmed up": 10}


def test_a_run_that_lost_notes_is_none() -> None:
    told = [(moment(0, 0), {"name": "small"}), (moment(1, 0), {"name": "run", "documents": 99})]
    with pytest.raises(AssertionError, match="99 of 100"):
        figures(Input(Path("notes"), 100, 1, 1), told, [], {})


def test_the_report_compares_with_the_smallest_size_and_with_one_core() -> None:
    kinds = [
        [run_over(SMALL_NOTES + 1_000, 12.0)],
        [run_over(SMALL_NOTES + 2_000, 23.0)],
        [run_over(SMALL_NOTES + 1_000, 22.0, cores=1)],
    ]
    text = "\n".join(sections(kinds))
    assert "| 1,300 | 1 | 12.0 | 2.0 | 10.000 | 1.000 |" in text
    assert text.count("| 15,000 |") == 1  # 150 words in those 10 ms
    assert "| 2,300 | 1 | 23.0 | 2.0 | 10.500 | 1.050 |" in text
    assert "2 cores were 2.00 times as fast as one" in text


def test_one_size_is_compared_in_the_rounds_that_both_numbers_of_cores_had() -> None:
    """The only size is the largest, which runs once, and the middle one, which one core runs in every round."""
    kinds = [
        [run_over(SMALL_NOTES + 1_000, seconds, cores=1) for seconds in (22.0, 42.0, 62.0)],
        [run_over(SMALL_NOTES + 1_000, 12.0)],
    ]
    assert "2 cores were 2.00 times as fast as one (2.00 to 2.00 in 1 interleaved" in "\n".join(sections(kinds))


@pytest.mark.parametrize("sizes", ["300", "1000,299"])
def test_sizes_that_a_small_run_has_already_are_refused_before_anything_is_run(sizes: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"--sizes (300|299): expected more than 300, a small run's"):
        read_sizes(sizes)


def test_sizes_are_run_from_the_smallest_on() -> None:
    assert read_sizes("10000,301") == [301, 10000]


def test_the_picture_is_written(tmp_path: Path) -> None:
    picture([[run_over(SMALL_NOTES + 1_000, 12.0)], [run_over(SMALL_NOTES + 2_000, 23.0)]], tmp_path / "growth.png")
    assert (tmp_path / "growth.png").stat().st_size > 10_000


def test_imports_are_added_up_by_package() -> None:
    told = "import time: self [us] | cumulative | imported package\nimport time:   200 |   900 |   torch.nn\n"
    told += "import time:  1000 |  1200 | torch\nimport time:    50 |    50 |     numpy\nsomething else\n"
    assert import_times(told) == pytest.approx({"torch": 0.0012, "numpy": 0.00005})
