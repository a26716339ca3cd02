"""Notes made in number: alike in length, none like another, the same every time."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import pyarrow.parquet as pq
import pytest

from cardio_ner.corpus.multicardioner import DATA_VARIABLE
from cardio_ner.document import LANGUAGES
from made_notes import LEAST_WORDS, Sources, make_long_note, make_note, read_sources, write_notes


@pytest.fixture(scope="module")
def sources() -> Sources:
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv(DATA_VARIABLE, raising=False)
        return read_sources()


def test_no_two_notes_are_alike(sources: Sources) -> None:
    texts = [make_note(number, sources).text for number in range(3_000)]
    assert len(set(texts)) == len(texts)
    assert len({text.split("\n", 1)[1] for text in texts}) > 0.99 * len(texts), "not for their numbers alone"


def test_notes_have_about_150_words_in_each_language(sources: Sources) -> None:
    notes = [make_note(number, sources) for number in range(600)]
    for code in LANGUAGES:
        words = [len(note.text.split()) for note in notes if note.language == code]
        assert len(words) == 200
        assert min(words) >= LEAST_WORDS
        assert mean(words) == pytest.approx(150, abs=10)


def test_a_number_is_the_same_note_every_time(sources: Sources) -> None:
    assert make_note(17, sources) == make_note(17, sources)


def test_a_long_note_has_the_bytes_that_were_asked_for(sources: Sources) -> None:
    size = len(make_long_note(300_000, sources).text.encode())
    assert 300_000 <= size < 320_000


def test_what_is_written_is_what_was_made(sources: Sources, tmp_path: Path) -> None:
    n_words = write_notes(tmp_path / "notes", range(5, 12), sources, long_note_bytes=50_000)
    rows = pq.read_table(tmp_path / "notes").to_pylist()
    assert [row["doc_id"] for row in rows] == ["note-long", *(f"note-{number:08}" for number in range(5, 12))]
    assert rows[1]["text"] == make_note(5, sources).text
    assert n_words == sum(len(row["text"].split()) for row in rows)
