"""How a Tagger reads: how far ahead, packed how, with how many tokenizer threads. `python benchmarks/reading.py`

The checkpoint that ships over made notes of about 150 words, where these matter most: a document fills no batch. Each
way is a process of its own with one thread (the tokenizer's may be more); rounds are interleaved A B C, A B C… The
first of a table is what the program does.
- *look-ahead*: `Tagger.tag`, with as many characters read ahead as said: a note alone, ten, a hundred, a million chars;
- *packing*: `Encoder.log_probabilities` over all windows, batches cut by length or as the windows come;
- *tokenizer*: words met before looked up (a table that starts empty), or whole texts through the tokenizer, with its
  threads and without.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import torch
import typer
from rich.console import Console

from cardio_ner import tagger as tagging
from cardio_ner.document import Document
from cardio_ner.tagger import Tagger
from cardio_ner.tokenization import DocumentTokenizer
from child_process import Child, Timed, timed
from conditions import conditions, write_results
from layouts import Layout, table, windows
from made_notes import make_note, read_sources

NOTE_CHARS = 1_100
LOOK_AHEAD_CHARS = (tagging.LOOK_AHEAD_CHARS, NOTE_CHARS, 10 * NOTE_CHARS, 100 * NOTE_CHARS)
BUDGET_TOKENS = 4096
THREADS, NO_THREADS = {"TOKENIZERS_PARALLELISM": "true"}, {"TOKENIZERS_PARALLELISM": "false"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Way(Layout):
    """A layout whose child is made ready by a function of its own, with these arguments after the notes."""

    load: Callable[..., None]
    arguments: tuple[object, ...]


class Loaded:
    """What a child does in each round."""

    run: Callable[[], object]


def load_look_ahead(notes: Sequence[Document], chars: int) -> None:
    """In the child: a Tagger that reads so far ahead."""
    tagging.LOOK_AHEAD_CHARS = chars
    tagger = _tagger(notes)
    Loaded.run = lambda: deque(tagger.tag(notes), maxlen=0)


def load_packing(notes: Sequence[Document], by_length: bool) -> None:
    """In the child: all windows in batches, by length or as they come."""
    tagger = _tagger(notes)
    rows = windows(tagger, [note.text for note in notes])
    special = tagger.encoder.tokenizer.n_special_tokens
    lengths = [len(row) + special for row in rows]
    batches = tagger.encoder.engine.batches(lengths, max_tokens=BUDGET_TOKENS) if by_length else as_they_come(lengths)
    work = [[rows[row] for row in batch] for batch in batches]
    Loaded.run = lambda: [tagger.encoder.log_probabilities(batch) for batch in work]


def load_tokenizer(notes: Sequence[Document], words_once: bool) -> None:
    """In the child: a tokenizer that has met no word in any round, or the backend alone."""
    its, texts = _tagger(notes).encoder.tokenizer, [note.text for note in notes]
    made_of = its.backend, its.prefix_ids, its.suffix_ids, its.pad_id
    whole = lambda: its.backend.encode_batch(texts, add_special_tokens=False)  # noqa: E731  one of two ways
    Loaded.run = (lambda: DocumentTokenizer(*made_of)(texts)) if words_once else whole


def one_round() -> Timed:
    """In the child: the notes once more."""
    return timed(Loaded.run)


def as_they_come(lengths_tokens: Sequence[int]) -> list[list[int]]:
    """Positions in order, cut wherever the budget is full."""
    batches: list[list[int]] = []
    room = 0
    for row, length in enumerate(lengths_tokens):
        if length > room:
            batches.append([])
            room = BUDGET_TOKENS
        batches[-1].append(row)
        room -= length
    return batches


def measure(ways: Sequence[Way], notes: Sequence[Document], *, rounds: int) -> None:
    """Load every way, one round to warm up, then fill in its rounds."""
    with ExitStack() as stack:
        children = [stack.enter_context(Child(way.environment)) for way in ways]
        for way, child in zip(ways, children, strict=True):
            child(way.load, notes, *way.arguments)
            child(one_round)
        for _ in range(rounds):
            for way, child in zip(ways, children, strict=True):
                way.rounds.append(child(one_round))


def _tagger(notes: Sequence[Document]) -> Tagger:
    torch.set_num_threads(1)
    return Tagger.load(notes[0].language, device="cpu")


def ways() -> dict[str, list[Way]]:
    """By the title of their table."""
    ahead = [Way(f"{chars:,} characters", load=load_look_ahead, arguments=(chars,)) for chars in LOOK_AHEAD_CHARS]
    packing = {"by length": True, "as they come": False}
    tokenizer = {
        "words once, its threads off": (True, NO_THREADS),
        "words once, its threads on": (True, THREADS),
        "whole texts, its threads off": (False, NO_THREADS),
        "whole texts, its threads on": (False, THREADS),
    }
    return {
        "Look-ahead": ahead,
        "Packing": [Way(name, load=load_packing, arguments=(first,)) for name, first in packing.items()],
        "Tokenizer": [
            Way(name, its, load=load_tokenizer, arguments=(once,)) for name, (once, its) in tokenizer.items()
        ],
    }


def main(
    language: Annotated[str, typer.Option(help="es, en, it")] = "es",
    n_notes: Annotated[int, typer.Option("--notes", help="Notes of about 150 words in a round")] = 120,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds")] = 5,
) -> None:
    """Compare; write tables and JSON."""
    sources = read_sources()
    numbered = (make_note(number, sources) for number in range(n_notes * len(sources.sentences)))
    notes = [note for note in numbered if note.language == language]
    n_tokens = sum(map(len, _tagger(notes).encoder.tokenizer([note.text for note in notes])))
    sections, data = [f"{len(notes)} notes, {n_tokens:,} tokens a round, {rounds} rounds."], dict[str, Any]()
    for title, several in ways().items():
        measure(several, notes, rounds=rounds)
        sections.append(table(title, several, n_tokens, unit="tokens/s"))
        data[title] = [{"name": way.name, "rounds": [asdict(one) for one in way.rounds]} for way in several]
    told = conditions(["torch", "tokenizers"]) | {"notes": sources.name, "language": language}
    found = {"conditions": told, "n_tokens": n_tokens, "ways": data}
    report = write_results("reading", "How a Tagger reads", sections, found)
    Console().print(report.read_text(encoding="utf-8"), markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
