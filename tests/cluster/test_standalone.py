"""A real cluster, the library shipped with the job, authentication and encryption on: the tables of one machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cardio_ner.document import Document
from cardio_ner.report.tables import open_tables
from cardio_ner.tagger import Tagger
from processes import PATIENCE, kill_session, processes_of
from standalone_cluster import ROOT, Cluster, built_zip, dependencies_alone, started, wait_until
from tiny_models import CLINICAL_TEXT

JOB = ROOT / "jobs/annotate.py"
SPANS = "SELECT doc_id, entity_type, start_offset, end_offset, text FROM spans_current ORDER BY ALL"

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc, as Linux has it")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    with started(folder, dependencies_alone(folder / "environment")) as cluster:
        yield cluster


def write_notes(folder: Path, documents: list[Document]) -> None:
    """Two Parquet files with half of the documents each, and a column that makes them large enough for two tasks."""
    folder.mkdir()
    rows = [
        {"doc_id": note.doc_id, "language": note.language, "text": note.text, "scan": os.urandom(30_000)}
        for note in documents
    ]
    for number in range(2):
        pq.write_table(pa.Table.from_pylist(rows[number::2]), folder / f"{number}.parquet")


def spans_of(documents: list[Document]) -> list[tuple[object, ...]]:
    rows = [(d.doc_id, s.entity_type, s.start, s.end, d.mention(s)) for d in documents for s in d.spans]
    return sorted(rows)


def is_tagging(session_id: int) -> bool:
    """Has a process of the POSIX session loaded torch?"""
    for process in processes_of(session_id):
        with suppress(OSError):  # it ended meanwhile
            if "libtorch" in (process / "maps").read_text():
                return True
    return False


def log_of(folder: Path) -> str:
    return (folder / "log").read_text(encoding="utf-8", errors="replace")


@pytest.fixture(scope="module")
def texts() -> dict[str, list[str]]:
    """Records in Spanish, for the checkpoint that ships, and in English, for the one in the archive."""
    spanish = [path.read_bytes().decode() for path in sorted((ROOT / "examples/notes/es").glob("*.txt"))]
    return {"es": spanish[:4], "en": [CLINICAL_TEXT * i for i in range(1, 9)]}


def copied(notes: list[Document]) -> list[Document]:
    """Each twice, under names of their own."""
    return [Document(f"{note.doc_id}/{copy}", note.language, note.text, note.spans) for note in notes for copy in "ab"]


def notes_of(texts: dict[str, list[str]], language: str) -> list[Document]:
    return [Document(f"{language}/{i:02}", language, text) for i, text in enumerate(texts[language])]


@pytest.fixture(scope="module")
def run(
    cluster: Cluster, two_group_checkpoint: Path, texts: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a run that lost one of its two workers half-way."""
    folder = tmp_path_factory.mktemp("run")
    write_notes(folder / "notes", copied([*notes_of(texts, "es"), *notes_of(texts, "en")]))
    shutil.copytree(two_group_checkpoint, folder / "archived/en")  # the driver's copy, at the same relative path
    archive = shutil.make_archive(str(folder / "packed"), "gztar", folder / "archived")
    settings = "checkpoints: {es: package:cardio_ner/models/es, en: ./archived/en}\n"
    (folder / "settings.yaml").write_text(settings)
    run = cluster.submit(
        "--py-files", built_zip(folder / "dist"), "--archives", f"{archive}#archived",
        JOB, "--config", "settings.yaml", "--input", "notes", "--output", "out", cwd=folder,
    )  # fmt: skip
    wait_until(lambda: run.poll() is not None or is_tagging(cluster.workers[0].pid), "a tagging task there")
    shown = [(process / "cmdline").read_bytes() for process in processes_of(run.pid)]
    (folder / "command-lines").write_bytes(b"\n".join(shown))
    kill_session(cluster.workers[0].pid)
    assert run.wait(timeout=PATIENCE) == 0, log_of(folder)[-3000:]
    assert "Lost executor" in log_of(folder)
    return folder


def test_a_worker_lost_half_way_leaves_the_tables_of_one_machine(
    run: Path, texts: dict[str, list[str]], two_group_checkpoint: Path
) -> None:
    spanish = Tagger.load("es", device="cpu").tag(notes_of(texts, "es"))
    english = list(Tagger.load(two_group_checkpoint, device="cpu").tag(notes_of(texts, "en")))
    assert any(note.spans for note in english)
    expected = copied([*spanish, *english])
    found = open_tables(run / "out")
    assert found.execute(SPANS).fetchall() == spans_of(expected)
    rows = found.execute("SELECT doc_id, status FROM documents ORDER BY doc_id").fetchall()
    assert rows == sorted((note.doc_id, "annotated") for note in expected)


def test_executors_are_told_the_secret_and_nobody_else_is(run: Path, cluster: Cluster) -> None:
    executors = "".join(path.read_text() for path in cluster.folder.glob("worker-*/app-*/*/stderr"))
    assert executors.count("authentication enabled") >= 2
    assert cluster.secret not in executors + log_of(run)
    command_lines = (run / "command-lines").read_text()
    assert "annotate.py" in command_lines
    assert cluster.secret not in command_lines


def test_the_checkpoint_in_the_zip_was_unpacked_once_for_all_processes(run: Path, cluster: Cluster) -> None:
    (private,) = cluster.folder.glob("cardio-ner-*")
    assert len(list(private.iterdir())) == 1
