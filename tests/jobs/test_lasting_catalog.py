"""`--database` and `--table` over two processes: the catalog outlives the one that wrote it, where the user says."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from cardio_ner.report.tables import open_tables
from cardio_ner.spark.session import CONNECTION
from submitting import submit

MENTIONS = "SELECT count(*) FROM spans_current"


def test_a_second_session_reads_the_database_that_a_first_one_registered(
    tmp_path: Path, two_group_checkpoint: Path
) -> None:
    text = "Ingresa por estenosis aórtica; toma enalapril y aspirina."
    seen_at = pa.array([1_714_552_200_000_000], pa.timestamp("us"))  # as pandas writes it: Hive has no such type
    parquet.write_table(pa.table({"doc_id": ["a"], "text": [text], "seen_at": seen_at}), tmp_path / "notes.parquet")
    config = tmp_path / "annotate.yaml"
    config.write_text(f"checkpoints:\n  es: {two_group_checkpoint}\ntable_chunks: 1\n", encoding="utf-8")
    kept = (
        f"{CONNECTION}=jdbc:derby:;databaseName={tmp_path}/kept/metastore_db;create=true",
        f"spark.sql.warehouse.dir={tmp_path}/kept/warehouse",
    )
    work = tmp_path / "work"
    work.mkdir()
    common = ("--config", str(config))
    first = (
        *("--input", str(tmp_path / "notes.parquet"), "--keep", "seen_at"),
        *("--output", str(tmp_path / "out"), "--database", "cardiology"),
    )
    second = ("--table", "cardiology.spans_current", "--output", str(tmp_path / "again"))

    for arguments in (first, second):
        result = submit(*common, *arguments, master="local[1]", confs=kept, cwd=work)
        shown = result.stdout + result.stderr
        assert result.returncode == 0, shown[-2000:]
        assert "AlreadyExists" not in shown  # registered at the beginning and at the end
    n_mentions = open_tables(tmp_path / "out").execute(MENTIONS).fetchone()
    assert n_mentions != (0,)
    assert open_tables(tmp_path / "again").execute("SELECT count(*) FROM documents").fetchone() == n_mentions
    assert {path.name for path in work.iterdir()} <= {"derby.log"}
