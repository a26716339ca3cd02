"""Texts → one memory-mapped array of token ids, written once: rows of equal length, no padding.

Contract
- Documents of a source follow one another, a separator between them, and are cut into rows of `inner_tokens`; what is
  left at a source's end (less than a row) is dropped.
- The folder is written whole or not at all; it is used again while the digest of recipe and tokenizer is the same.
- Held-out texts stand in rows of their own, by language.

Files: `ids.u16` [rows, inner tokens], `index.json` (what rows are what).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
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
from cardio_training.texts import Source, is_held_out, read_source, sources_of, times_read

TEXTS_AT_ONCE = 512
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
    """`ids` [rows, inner tokens], memory-mapped."""

    ids: NDArray[np.uint16]
    regions: tuple[Region, ...]
    digest: str

    def languages(self) -> list[str]:
        """Languages that have held-out rows."""
        return sorted({region.language for region in self.regions if region.held_out and region.rows})


def pack_texts(recipe: PretrainingRecipe, tokenizer: PreTrainedTokenizerFast, data: Path, folder: Path) -> PackedTexts:
    """Tokenise the recipe's sources into `folder`, or open what stands there from the same recipe and tokenizer."""
    digest = _digest(recipe, tokenizer, data)
    if not (folder / "index.json").exists() or _read_index(folder)["digest"] != digest:
        _write(recipe, tokenizer, data, folder, digest)
    index = _read_index(folder)
    regions = tuple(Region(**region) for region in index["regions"])
    shape = (sum(region.rows for region in regions), int(index["inner_tokens"]))
    return PackedTexts(np.memmap(folder / "ids.u16", np.uint16, "r", shape=shape), regions, digest)


def _read_index(folder: Path) -> dict[str, Any]:
    index: dict[str, Any] = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    return index


def _digest(recipe: PretrainingRecipe, tokenizer: PreTrainedTokenizerFast, data: Path) -> str:
    """What the array depends on: sources with their weights and sizes, shares, row length, tokenizer."""
    files = {source: data / source.name for source in sources_of(recipe.texts, recipe.cardioccc_folds)}
    sources = [[s.name, s.weight, s.folds, path.stat().st_size if path.is_file() else 0] for s, path in files.items()]
    key = [sources, recipe.row_tokens, recipe.held_out_share, tokenizer.backend_tokenizer.to_str()]
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()


def _write(
    recipe: PretrainingRecipe, tokenizer: PreTrainedTokenizerFast, data: Path, folder: Path, digest: str
) -> None:
    if len(tokenizer) - 1 > LARGEST_ID:
        raise ConfigError(f"base_encoder: {len(tokenizer)} pieces do not fit 16 bits: give a vocabulary of its own")
    inner_tokens = recipe.row_tokens - tokenizer.num_special_tokens_to_add()
    building = folder.with_name(f"{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    regions: list[Region] = []
    held_out: dict[str, list[NDArray[np.uint16]]] = {}
    with (building / "ids.u16").open("wb") as file:
        first = 0
        for source in track(
            sources_of(recipe.texts, recipe.cardioccc_folds), description="tokenise", console=Console(stderr=True)
        ):
            packer = _Packer(tokenizer, inner_tokens)
            language = ""
            for language, text in _one_language(source, data):
                if is_held_out(text, recipe.held_out_share):
                    held_out.setdefault(language, []).append(packer.encode([text]))
                elif source.weight >= 1 or times_read(text, source.weight):
                    packer.add(text, file)
            rows = packer.finish(file)
            regions.append(Region(source.name, language, False, max(1.0, source.weight), first, rows))
            first += rows
        for language, parts in sorted(held_out.items()):
            ids = np.concatenate(parts)
            rows = len(ids) // inner_tokens
            file.write(ids[: rows * inner_tokens].tobytes())
            regions.append(Region("held out", language, True, 1.0, first, rows))
            first += rows
    index = {"digest": digest, "inner_tokens": inner_tokens, "regions": [asdict(region) for region in regions]}
    (building / "index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    building.rename(folder)


def _one_language(source: Source, data: Path) -> Iterator[tuple[str, str]]:
    """The source's texts; two languages in one file would share its weight, so they are refused."""
    expected = None
    for language, text in read_source(source, data):
        expected = expected or language
        if language != expected:
            raise ConfigError(f"files: {source.name} holds texts in {expected} and {language}: expected one language")
        yield language, text


class _Packer:
    """Ids of one source on their way to the file: full rows are written, the rest waits."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, inner_tokens: int) -> None:
        self.backend: Tokenizer = tokenizer.backend_tokenizer
        self.backend.no_truncation()
        self.backend.no_padding()
        self.separator = np.array([tokenizer.sep_token_id], dtype=np.uint16)
        self.inner_tokens = inner_tokens
        self.rest = np.zeros(0, dtype=np.uint16)
        self.waiting: list[str] = []
        self.rows = 0

    def encode(self, texts: list[str]) -> NDArray[np.uint16]:
        """Their ids, a separator after each text."""
        encodings = self.backend.encode_batch_fast(texts, add_special_tokens=False)
        ids = [np.array(encoding.ids, dtype=np.uint16) for encoding in encodings]
        return np.concatenate([part for text_ids in ids for part in (text_ids, self.separator)])

    def add(self, text: str, file: IO[bytes]) -> None:
        """Take a text; write rows when enough texts wait to keep the tokenizer's threads busy."""
        self.waiting.append(text)
        if len(self.waiting) == TEXTS_AT_ONCE:
            self._flush(file)

    def finish(self, file: IO[bytes]) -> int:
        """Write what waits and return the number of rows written in all."""
        if self.waiting:
            self._flush(file)
        return self.rows

    def _flush(self, file: IO[bytes]) -> None:
        ids = np.concatenate([self.rest, self.encode(self.waiting)])
        self.waiting.clear()
        rows = len(ids) // self.inner_tokens
        file.write(ids[: rows * self.inner_tokens].tobytes())
        self.rest = ids[rows * self.inner_tokens :]
        self.rows += rows
