"""No text of a record leaves the tables: a name is planted in poisoned records and searched for everywhere else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pyspark

from poisoned_records import MARKER, POISONED, write_json_lines
from processes import PATIENCE
from submitting import command, environment

WORK = Path(pyspark.__file__).parent / "work"


def holds_marker(path: Path) -> bool:
    return MARKER.encode() in path.read_bytes() or MARKER.lower().encode() in path.read_bytes()


def test_a_planted_name_is_in_no_log_of_driver_or_executors_and_no_event_log(
    two_group_checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "events").mkdir()
    write_json_lines(tmp_path / "in/a.jsonl")
    (tmp_path / "in/bad.jsonl").write_text(f'{{"doc_id": "{MARKER}\n["{MARKER}"]\n')
    (tmp_path / "annotate.yaml").write_text(f"checkpoints:\n  es: {two_group_checkpoint}\n")
    before = set(WORK.glob("app-*"))
    arguments = ["--input", "in", "--output", "out", "--config", "annotate.yaml"]
    confs = (
        "spark.eventLog.enabled=true",
        f"spark.eventLog.dir=file:{tmp_path}/events",
        "spark.eventLog.compress=false",
    )
    result = subprocess.run(
        command(*arguments, master="local-cluster[2,1,1024]", confs=confs), capture_output=True, cwd=tmp_path,
        env=environment(), timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-2000:]
    assert f"{len(POISONED) + 2} rows".encode() in result.stdout
    executors = [path for app in set(WORK.glob("app-*")) - before for path in app.rglob("std*")]
    events = [path for path in (tmp_path / "events").rglob("*") if path.is_file()]
    kept = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and "spans" not in path.parts]
    assert len(executors) >= 4
    assert events
    assert MARKER.encode() not in result.stdout + result.stderr
    assert [path for path in (*executors, *events, *kept) if holds_marker(path)] == []
    assert (tmp_path / "out/run.json").stat().st_size > 0
