"""Texts → one memory-mapped array of token ids, written once: rows of equal length, no padding.

Contract
- Documents of a source follow one another, a separator between them, and are cut into rows of `inner_tokens`; what is
  left at a source's end (less than a row) is dropped.
- The folder is written whole or not at all; it is used again while recipe, texts and tokenizer are the same.
- Held-out texts stand in rows of their own, by language.

Files: `ids.u16` [rows, inner tokens], `index.json` (what rows are what).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from cardio_ner.errors import ConfigError
from cardio_training.pretraining_recipe import PretrainingRecipe
from cardio_training.texts import Source, is_held_out, read_source, sources_of, state_of, times_read

TEXTS_AT_ONCE = 512
IDS, INDEX = "ids.u16", "index.json"
LARGEST_ID = np.iinfo(np.uint16).max


@dataclass(frozen=True, slots=True)
class Region:
    """Rows `[first, first + rows)` of one source and language. `weight`: how often one pass reads each row."""

    source: str
    language: str
    held_out: bool
    weight: float
    first: int
    rows: int


@dataclass(frozen=True, slots=True)
class PackedTexts:
    """`ids` [rows, inner tokens], memory-mapped; `sha256` is that of the ids."""

    ids: NDArray[np.uint16]
    regions: tuple[Region, ...]
    sha256: str

    def languages(self) -> list[str]:
        """Languages that have held-out rows."""
        return sorted({region.language for region in self.regions if region.held_out and region.rows})


def pack_texts(recipe: PretrainingRecipe, tokenizer: PreTrainedTokenizerFast, data: Path, folder: Path) -> PackedTexts:
    """Tokenise the recipe's sources into `folder`, or open what stands there from the same recipe, texts and tokenizer.

    Raises ConfigError where the texts fill no row to learn, or none to score in a language that is learnt.
    """
    made_from = _made_from(recipe, tokenizer, data)
    if not (folder / INDEX).exists() or _read_index(folder)["made_from"] != made_from:
        _write(recipe, tokenizer, data, folder, made_from)
    index = _read_index(folder)
    regions = tuple(Region(**region) for region in index["regions"])
    _check(regions, recipe)
    shape = (sum(region.rows for region in regions), int(index["inner_tokens"]))
    return PackedTexts(np.memmap(folder / IDS, np.uint16, "r", shape=shape), regions, index["sha256"])


def _read_index(folder: Path) -> dict[str, Any]:
    index: dict[str, Any] = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    return index


def _made_from(recipe: PretrainingRecipe, tokenizer: PreTrainedTokenizerFast, data: Path) -> str:
    """Digest of what the array depends on: sources with their weights and state, shares, row length, tokenizer."""
    sources = [(s.name, s.weight, state_of(s, data)) for s in sources_of(recipe.texts, recipe.cardioccc_folds)]
    key = [sources, recipe.row_tokens, recipe.held_out_share, tokenizer.backend_tokenizer.to_str()]
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()


def _check(regions: Sequence[Region], recipe: PretrainingRecipe) -> None:
    learnt = {region.language for region in regions if region.rows and not region.held_out}
    if not learnt:
        raise ConfigError(f"texts: they fill no row of {recipe.row_tokens} tokens: add texts, or lower row_tokens")
    unscored = learnt - {region.language for region in regions if region.rows and region.held_out}
    if unscored:
        raise ConfigError(
            f"held_out_share {recipe.held_out_share}: it leaves no row of {', '.join(sorted(unscored))} to score: "
            "raise it, or add texts"
        )


def _write(
    recipe: PretrainingRecipe, tokenizer: PreTrainedTokenizerFast, data: Path, folder: Path, made_from: str
) -> None:
    if len(tokenizer) - 1 > LARGEST_ID:
        raise ConfigError(f"base_encoder: {len(tokenizer)} pieces do not fit 16 bits: give a vocabulary of its own")
    building = folder.with_name(f"{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    held_out: dict[str, list[str]] = {}
    with (building / IDS).open("wb") as file:
        writer = _RowWriter(file, tokenizer, recipe.row_tokens - tokenizer.num_special_tokens_to_add())
        sources = sources_of(recipe.texts, recipe.cardioccc_folds)
        for source in track(sources, description="tokenise", console=Console(stderr=True)):
            language, texts = _open(source, data)
            aside = held_out.setdefault(language, [])
            learnt = _put_aside(texts, aside, recipe.held_out_share, source.weight)
            writer.write(learnt, source.name, language, held_out=False, weight=max(1.0, source.weight))
        for language, aside in sorted(held_out.items()):
            writer.write(aside, "held out", language, held_out=True, weight=1.0)
    index = {
        "made_from": made_from,
        "sha256": writer.digest.hexdigest(),
        "inner_tokens": writer.inner_tokens,
        "regions": [asdict(region) for region in writer.regions],
    }
    (building / INDEX).write_text(json.dumps(index, indent=1), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    building.rename(folder)


def _open(source: Source, data: Path) -> tuple[str, Iterator[str]]:
    """(language, texts) of a source; two languages in one file would share its weight, so they are refused."""
    records = read_source(source, data)
    first = next(records, None)
    if first is None:
        raise ConfigError(f"texts: {source.name} holds no text: set its weight to 0")
    expected = first[0]

    def texts() -> Iterator[str]:
        for language, text in chain([first], records):
            if language != expected:
                raise ConfigError(f"texts: {source.name} is in {expected} and {language}: expected one language a file")
            yield text

    return expected, texts()


def _put_aside(texts: Iterable[str], held_out: list[str], share: float, weight: float) -> Iterator[str]:
    """The texts to learn; held-out ones go to the list, and a weight below 1 leaves some out."""
    for text in texts:
        if is_held_out(text, share):
            held_out.append(text)
        elif weight >= 1 or times_read(text, weight):
            yield text


class _RowWriter:
    """Texts → ids → rows of a file, region by region."""

    def __init__(self, file: IO[bytes], tokenizer: PreTrainedTokenizerFast, inner_tokens: int) -> None:
        self.file, self.inner_tokens = file, inner_tokens
        self.backend: Tokenizer = tokenizer.backend_tokenizer
        self.backend.no_truncation()
        self.backend.no_padding()
        self.separator = np.array([tokenizer.sep_token_id], dtype=np.uint16)
        self.regions: list[Region] = []
        self.digest = hashlib.sha256()

    def write(self, texts: Iterable[str], source: str, language: str, *, held_out: bool, weight: float) -> None:
        """Append a region of full rows; what is left of the last one is dropped."""
        first = sum(region.rows for region in self.regions)
        rows, rest = 0, np.zeros(0, dtype=np.uint16)
        remaining = iter(texts)
        while batch := list(islice(remaining, TEXTS_AT_ONCE)):
            ids = np.concatenate([rest, *self._encode(batch)])
            full = len(ids) // self.inner_tokens
            packed = ids[: full * self.inner_tokens].tobytes()
            self.file.write(packed)
            self.digest.update(packed)
            rows, rest = rows + full, ids[full * self.inner_tokens :]
        self.regions.append(Region(source, language, held_out, weight, first, rows))

    def _encode(self, texts: list[str]) -> Iterator[NDArray[np.uint16]]:
        """The ids of each text, and a separator after it. Many texts at once keep the tokenizer's threads busy."""
        for encoding in self.backend.encode_batch_fast(texts, add_special_tokens=False):
            yield np.array(encoding.ids, dtype=np.uint16)
            yield self.separator
