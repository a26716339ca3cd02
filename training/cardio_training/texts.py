"""Unlabelled texts of the recipe's sources, one after the other: nothing is held in memory.

Contract
- Lines of JSON (gzipped where the name ends in .gz) with `lang` and `text`; a line that is not raises ConfigError with
  file and line number, never its content.
- Of cardioccc_dev only the folds that the recipe names are read: the others stay unseen, a fair test.
- Whether a text is held out, and whether a weight below 1 takes it, follows from the digest of the text alone.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cardio_ner.corpus.multicardioner import read_multicardioner
from cardio_ner.document import LANGUAGES
from cardio_ner.errors import ConfigError
from cardio_training.pretraining_recipe import Texts

HELD_OUT, DRAWN = b"held out", b"drawn"
"""What is decided by a text's digest; each has draws of its own."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where texts come from: a file of the data folder, or a part of MultiCardioNER (`language`) and folds of it."""

    name: str
    weight: float
    language: str = ""
    folds: tuple[int, ...] | None = None
    """Of cardioccc_dev; None: the train folders."""


def sources_of(texts: Texts, folds: tuple[int, ...]) -> list[Source]:
    """The sources of a weight above 0, in the recipe's order; `folds` of cardioccc_dev may be read."""
    files = [Source(name, weight) for name, weight in texts.files.items()]
    train = [Source(f"multicardioner/train.{key}", weight, key) for key, weight in texts.train.items()]
    dev = [Source(f"multicardioner/cardioccc.{key}", weight, key, folds) for key, weight in texts.cardioccc.items()]
    return [source for source in [*files, *train, *dev] if source.weight]


def read_source(source: Source, data: Path) -> Iterator[tuple[str, str]]:
    """(language, text) of each document. Raises ConfigError where the file is absent or a line is not as expected."""
    if source.language:
        corpus = read_multicardioner(data, source.language)
        folds = source.folds
        chosen = corpus.train if folds is None else [d for fold in folds for d in corpus.fold(fold)[1]]
        yield from ((source.language, document.text) for document in chosen)
        return
    path = data / source.name
    if not path.is_file():
        raise ConfigError(f"files: {path}: no such file: check its name and CARDIO_NER_DATA, or set its weight to 0")
    with _open(path) as lines:
        for number, line in enumerate(lines, start=1):
            yield _parse(line, path, number)


def weighted_texts(sources: Sequence[Source], data: Path) -> Iterator[str]:
    """The texts of all sources, each as often as its weight says."""
    for source in sources:
        for _, text in read_source(source, data):
            for _ in range(times_read(text, source.weight)):
                yield text


def is_held_out(text: str, share: float) -> bool:
    """Is the text one of the share that is only scored?"""
    return draw(text, HELD_OUT) < share


def times_read(text: str, weight: float) -> int:
    """How often one pass reads the text: the weight, its fraction drawn."""
    return int(weight) + (draw(text, DRAWN) < weight - int(weight))


def draw(text: str, purpose: bytes) -> float:
    """A number in [0, 1) that follows from the text."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=purpose).digest()
    return int.from_bytes(digest) / 2**64


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path), encoding="utf-8")
    return path.open(encoding="utf-8")


def _parse(line: str, path: Path, number: int) -> tuple[str, str]:
    try:
        record = json.loads(line)
        language, text = record["lang"], record["text"]
    except (json.JSONDecodeError, KeyError, TypeError):
        language = text = None
    if not isinstance(text, str) or language not in LANGUAGES:
        raise ConfigError(
            f"{path}, line {number}: expected a JSON object with lang ({', '.join(LANGUAGES)}) and text: mend the line"
        )
    return language, text
