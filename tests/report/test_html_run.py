"""What the HTML report knows of the latest run: its account, and its pace between commits."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from cardio_ner.errors import InputError
from cardio_ner.report.html.run import MOST_STRETCHES, Stretch, pace, read_run
from cardio_ner.report.tables import open_tables
from cardio_ner.spark.account import BatchAccount, RunAccount
from example_run import STARTED, write_account
from hand_tables import document, write_documents


def committed(output: Path, batch: str, seconds: float, n: int) -> None:
    at = STARTED + timedelta(seconds=seconds)
    write_documents(output, *(document(f"{batch} {k}", batch, at=1, annotated_at=at) for k in range(n)))


def test_the_account_that_the_job_writes_is_read(tmp_path: Path) -> None:
    batch = BatchAccount("b1-0", {("annotated", None, "es", None): 3}, {("es", "DISEASE"): 4}, 70)
    facts = {
        "input": "notes", "output": "out", "stream": "b1", "annotator_version": "0.1.0", "spark": "4.3.0",
        "checkpoints": {"es": "m1"}, "settings": {"keep": []}, "started": STARTED.isoformat(timespec="seconds"),
        "ended": None, "ending": "failed", "error_type": "AccountError",
    }  # fmt: skip
    (tmp_path / "run.json").write_text(RunAccount([batch], 2.0, facts).as_json())
    run = read_run(tmp_path)
    assert run is not None
    assert (run.started, run.ended, run.ending, run.error_type) == (STARTED, None, "failed", "AccountError")
    assert (run.rows, run.rows_per_second, run.tokens_per_second, run.batches) == (3, 1.5, 35.0, ("b1-0",))


def test_without_run_json_there_is_no_account_and_a_spoilt_one_is_refused(tmp_path: Path) -> None:
    assert read_run(tmp_path) is None
    (tmp_path / "run.json").write_text('{"rows": "many"}')
    with pytest.raises(InputError, match=r"run\.json: expected the account.*rows: .*remove the file") as refused:
        read_run(tmp_path)
    assert "many" not in str(refused.value)


def test_the_pace_is_that_of_the_latest_run_between_its_commits(tmp_path: Path) -> None:
    committed(tmp_path, "b0-0", -3600, 9)
    committed(tmp_path, "b1-0", 10, 5)
    committed(tmp_path, "b1-1", 12, 4)
    write_account(tmp_path, rows=9, batches=2, seconds=12.2)
    run = read_run(tmp_path)
    assert run is not None
    stretches = pace(open_tables(tmp_path), run)
    assert stretches == [Stretch(0.0, 10.0, 5), Stretch(10.0, 12.0, 4)]
    assert [part.per_second for part in stretches] == [0.5, 2.0]


def test_of_many_batches_neighbours_are_taken_together(tmp_path: Path) -> None:
    for number in range(MOST_STRETCHES + 2):
        committed(tmp_path, f"b1-{number}", number + 1, 1)
    write_account(tmp_path, rows=50, seconds=60.0)
    run = read_run(tmp_path)
    assert run is not None
    stretches = pace(open_tables(tmp_path), run)
    assert [(part.end_s, part.documents) for part in stretches] == [(2.0 * k, 2) for k in range(1, 26)]
