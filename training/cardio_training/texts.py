"""Unlabelled texts of the recipe's sources, one after the other; of the files, one line is in memory at a time.

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
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

from cardio_ner.corpus.multicardioner import LanguageCorpus, read_multicardioner
from cardio_ner.document import LANGUAGES, Document
from cardio_ner.errors import ConfigError
from cardio_training.dataset import documents_digest
from cardio_training.pretraining_recipe import Texts

_SURROGATE = re.compile("[\ud800-\udfff]")
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
    """(language, text) of each document. Raises ConfigError where a file is absent or cannot be read to its end."""
    if source.language:
        yield from ((source.language, document.text) for document in _documents(source, data))
        return
    path = data / source.name
    number = 0
    try:
        with _open(path) as lines:
            for number, line in enumerate(lines, start=1):
                yield _parse(line, path, number)
    except FileNotFoundError:
        raise ConfigError(
            f"texts: {path}: no such file: check its name and CARDIO_NER_DATA, or set its weight to 0"
        ) from None
    except (EOFError, zlib.error, OSError, UnicodeDecodeError) as error:  # BadGzipFile is an OSError
        raise ConfigError(
            f"{path}: unreadable after line {number} ({type(error).__name__}): expected a file that this user "
            "may read, of UTF-8, whole, gzipped where its name ends in .gz: see its permissions, or fetch it again"
        ) from None


def state_of(source: Source, data: Path) -> list[int | str]:
    """What changes when the source's texts do: a file's size and time, or a digest of the documents."""
    if source.language:
        return [documents_digest(_documents(source, data))]
    path = data / source.name
    return [path.stat().st_size, path.stat().st_mtime_ns] if path.is_file() else []


def _documents(source: Source, data: Path) -> Sequence[Document]:
    corpus = _corpus(data, source.language)
    if source.folds is None:
        return corpus.train
    return [document for fold in source.folds for document in corpus.fold(fold)[1]]


@lru_cache(maxsize=len(LANGUAGES))
def _corpus(data: Path, language: str) -> LanguageCorpus:
    return read_multicardioner(data, language)


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
    digest = hashlib.blake2b(text.encode(), digest_size=8, key=purpose).digest()
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
    if not isinstance(text, str) or language not in LANGUAGES or _SURROGATE.search(text):
        raise ConfigError(
            f"{path}, line {number}: expected a JSON object with lang ({', '.join(LANGUAGES)}) and text, without lone "
            "surrogates: mend the line"
        )
    return language, text
