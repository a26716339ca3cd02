"""The documents that all candidates tag: English, as the English checkpoint has the one label group that peers read.

Contract
- cardioccc_dev where CARDIO_NER_DATA names the data, else examples/notes/en.
- Asked for more documents than there are, it gives them again with other digits: no two texts are the same.
- A corpus is a folder of Parquet files with about as many characters each, four for a core: no candidate waits for an
  uneven share that Spark would have made of one file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cardio_ner.corpus.multicardioner import data_folder, read_multicardioner
from cardio_ner.document import Document
from cardio_ner.errors import CorpusError

LANGUAGE = "en"
NOTES = Path(__file__).parents[2] / "examples/notes" / LANGUAGE
FILES_PER_CORE = 4
EXCERPTS_PER_CORE = 160
EXCERPT_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Source:
    """Where documents come from, and those that there are."""

    name: str
    documents: tuple[Document, ...]

    def take(self, n_documents: int) -> list[Document]:
        """The first documents, and copies with changes when they run out."""
        return list(islice(self._endless(), n_documents))

    def excerpts(self, cores: int) -> list[Document]:
        """What warms workers up: so many rows that Spark gives each core some of them, short ones."""
        documents = self.take(EXCERPTS_PER_CORE * cores)
        return [replace(document, text=document.text[:EXCERPT_CHARACTERS]) for document in documents]

    def _endless(self) -> Iterator[Document]:
        for copy in count():
            for document in self.documents:
                yield changed(document, copy)


def open_source() -> Source:
    """The corpus where it is at hand, else the example notes."""
    try:
        dev = read_multicardioner(data_folder(), LANGUAGE).dev
    except CorpusError:
        notes = sorted(NOTES.glob("*.txt"))
        texts = [(path.stem, path.read_bytes().decode("utf-8")) for path in notes]
        return Source("examples/notes/en", tuple(Document(name, LANGUAGE, text) for name, text in texts))
    return Source("MultiCardioNER cardioccc_dev, English", tuple(document.with_spans(()) for document in dev))


def changed(document: Document, copy: int) -> Document:
    """The document with a name of its own, each digit moved by the copy's number; the first copy is as it was. A last
    line with that number keeps the eleventh copy from being the first again."""
    if copy == 0:
        return document
    text = re.sub(r"[0-9]", lambda digit: str((int(digit[0]) + copy) % 10), document.text)
    return replace(document, doc_id=f"{document.doc_id}-{copy}", text=f"{text}\nCopy {copy}.")


def write_corpus(folder: Path, documents: Sequence[Document], *, cores: int) -> str:
    """The documents as Parquet, the longest dealt first to the file that has least; the folder's path."""
    folder.mkdir(parents=True)
    n_files = min(len(documents), FILES_PER_CORE * cores)
    files: list[list[Document]] = [[] for _ in range(n_files)]
    characters = [0] * n_files
    for document in sorted(documents, key=lambda document: -len(document.text)):
        at = characters.index(min(characters))
        files[at].append(document)
        characters[at] += len(document.text)
    for number, file in enumerate(files):
        columns = {name: [getattr(document, name) for document in file] for name in ("doc_id", "language", "text")}
        pq.write_table(pa.table(columns), folder / f"part-{number:03}.parquet")
    return str(folder)


def sizes(documents: Sequence[Document]) -> dict[str, Any]:
    """What is counted of a corpus without a tokenizer; words are what white space parts."""
    return {
        "documents": len(documents),
        "words": sum(len(document.text.split()) for document in documents),
        "characters": sum(len(document.text) for document in documents),
    }
