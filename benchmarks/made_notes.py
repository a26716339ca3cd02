"""Notes of about 150 words, as many as asked for and no two alike, made from real texts.

Contract
- A note is a line with its number, then consecutive sentences of one source text, from a place that its number chooses,
  until it has LEAST_WORDS; each digit in them is replaced by another. The same number gives the same note, always.
- Languages alternate: es, en, it, es… The sources are cardioccc_dev where CARDIO_NER_DATA is set, else examples/notes.
- A long note is made of whole source texts in turn, changed alike, until it has the bytes that are asked for.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from cardio_ner.corpus.multicardioner import DATA_VARIABLE
from cardio_ner.document import LANGUAGES, Document

LEAST_WORDS = 140
NOTES_PER_FILE = 5_000
EXAMPLES = Path(__file__).parents[1] / "examples/notes"
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
Item = TypeVar("Item")
_SCHEMA = pa.schema([(name, pa.string()) for name in ("doc_id", "language", "text")])


@dataclass(frozen=True, slots=True)
class Sources:
    """The texts that notes are made of, cut into sentences: by language, text by text."""

    name: str
    sentences: Mapping[str, Sequence[Sequence[str]]]


def read_sources() -> Sources:
    """cardioccc_dev where the data are at hand, else the example notes."""
    data = os.environ.get(DATA_VARIABLE)
    folder = Path(data, "multicardioner/track2/cardioccc_dev") if data else EXAMPLES
    return Sources(
        "cardioccc_dev" if data else "examples/notes",
        {
            code: [_SENTENCE_END.split(_text_of(path)) for path in sorted((folder / code).rglob("*.txt"))]
            for code in LANGUAGES
        },
    )


def make_note(number: int, sources: Sources) -> Document:
    """Note `number`."""
    rng = random.Random(number)
    language = LANGUAGES[number % len(LANGUAGES)]
    text = rng.choice(sources.sentences[language])
    first = rng.randrange(len(text))
    chosen, n_words = [], 0
    for sentence in islice(_in_turn(text, first), 1000):
        chosen.append(sentence)
        n_words += len(sentence.split())
        if n_words >= LEAST_WORDS:
            break
    return Document(f"note-{number:08}", language, f"{number:08}\n{_changed(' '.join(chosen), rng)}")


def make_long_note(n_bytes: int, sources: Sources, *, language: str = "es") -> Document:
    """One note of at least that many bytes of UTF-8."""
    rng = random.Random(n_bytes)
    parts: list[str] = []
    size = 0
    for text in _in_turn(sources.sentences[language], 0):
        parts.append(_changed(" ".join(text), rng))
        size += len(parts[-1].encode()) + 1
        if size >= n_bytes:
            break
    return Document("note-long", language, "\n".join(parts))


def write_notes(folder: Path, numbers: range, sources: Sources, *, long_note_bytes: int = 0) -> int:
    """Parquet files with these notes, and a long one where asked for. Returns their words."""
    folder.mkdir(parents=True)
    n_words = 0
    extra = [make_long_note(long_note_bytes, sources)] if long_note_bytes else []
    for first in range(numbers.start, numbers.stop, NOTES_PER_FILE):
        last = min(first + NOTES_PER_FILE, numbers.stop)
        notes = extra + [make_note(number, sources) for number in range(first, last)]
        extra = []
        n_words += sum(len(note.text.split()) for note in notes)
        rows = [{"doc_id": note.doc_id, "language": note.language, "text": note.text} for note in notes]
        pq.write_table(pa.Table.from_pylist(rows, _SCHEMA), folder / f"notes-{first:08}.parquet")
    return n_words


def _text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


def _in_turn(items: Sequence[Item], first: int) -> Iterator[Item]:
    """The items from the first on, round and round."""
    return (items[position % len(items)] for position in count(first))


def _changed(text: str, rng: random.Random) -> str:
    """The text with each digit replaced by one drawn anew."""
    return re.sub(r"\d", lambda _: str(rng.randrange(10)), text)
