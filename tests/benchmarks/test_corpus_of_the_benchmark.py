"""The documents that all candidates tag."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cardio_ner.document import Document
from comparison.corpus import Source, open_source, sizes, write_corpus


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.delenv("CARDIO_NER_DATA", raising=False)
    return open_source()


def test_without_the_corpus_the_example_notes_are_read(source: Source) -> None:
    assert source.name == "examples/notes/en"
    assert len(source.documents) == 12


def test_no_two_documents_are_the_same_however_many_are_asked_for(source: Source) -> None:
    documents = source.take(30 * len(source.documents))
    assert len({document.text for document in documents}) == len(documents)
    assert len({document.doc_id for document in documents}) == len(documents)
    assert documents[: len(source.documents)] == list(source.documents)


def test_a_corpus_is_files_of_about_as_many_characters_that_hold_each_document_once(tmp_path: Path) -> None:
    documents = [Document(str(n), "en", "word " * n) for n in range(1, 41)]
    folder = write_corpus(tmp_path / "corpus", documents, cores=2)
    files = [pq.read_table(path).to_pylist() for path in sorted(Path(folder).glob("*.parquet"))]
    assert sorted((Document(**row) for file in files for row in file), key=lambda d: int(d.doc_id)) == documents
    characters = sorted(sum(len(row["text"]) for row in file) for file in files)
    assert len(characters) == 8
    assert all(after - before <= 40 * len("word ") for before, after in pairwise(characters))


def test_words_are_what_white_space_parts() -> None:
    assert sizes([Document("1", "en", "aspirin 100 mg/day,\nthen none")]) == {
        "documents": 1, "words": 5, "characters": 29
    }  # fmt: skip
