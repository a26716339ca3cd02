"""Fixtures of the command line's tests: the example notes annotated without Spark, and programs of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cardio_ner.document import LANGUAGES, Document
from cardio_ner.tagger import TaggedDocument, Tagger
from hand_tables import Row, document, span, write_documents, write_spans

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def program(tmp_path: Path) -> Run:
    """`cardio-ner` as a program of its own, in a folder where `examples` is that of the project.

    program("tag", "--text", "…", shell=…): with `shell`, that line of shell in place of the arguments.
    """
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    command = tmp_path / "bin/cardio-ner"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cardio_ner "$@"\n', encoding="utf-8")
    command.chmod(0o755)

    def run(
        *arguments: str, shell: str | None = None, stdin: bytes = b"", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        plain = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")}
        done = subprocess.run(
            ["sh", "-c", shell] if shell is not None else [str(command), *arguments],
            cwd=tmp_path,
            env=plain | {"PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}"} | environment,
            input=stdin,
            capture_output=True,
            check=False,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
        )

    return run


@pytest.fixture(scope="session")
def notes_output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example notes as the job leaves them, but annotated here."""
    output = tmp_path_factory.mktemp("notes_output") / "out"
    documents: list[Row] = []
    spans: list[Row] = []
    for language in LANGUAGES:
        folder = ROOT / "examples/notes" / language
        notes = [
            Document(f"{language}/{path.stem}", language, path.read_bytes().decode("utf-8"))
            for path in sorted(folder.glob("*.txt"))
        ]
        for tagged in Tagger.load(language).tag_counted(notes):
            documents.append(_row(tagged))
            spans += _span_rows(tagged.document)
    write_documents(output, *documents)
    return write_spans(output, *spans)


def _row(tagged: TaggedDocument) -> Row:
    note = tagged.document
    counts = {"n_tokens": tagged.n_tokens, "n_spans": len(note.spans)}
    return document(
        note.doc_id, "b1-0", at=1, text=note.text, language=note.language, language_source="given", **counts
    )


def _span_rows(note: Document) -> list[Row]:
    return [
        span(
            note.doc_id,
            "b1-0",
            note.mention(found),
            of=note.text,
            start=found.start,
            language=note.language,
            entity_type=found.entity_type,
            score=found.score,
        )
        for found in note.spans
    ]
