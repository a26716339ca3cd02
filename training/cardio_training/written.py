"""Written notes: short notes made of a file's lines and names, for what the corpora of case reports lack: lists of
medications, brand names, abbreviations, and what looks like them.

Contract
- A file of `conf/training/written` has lines with places to fill: `{MEDICATION}` is annotated as that type, any other
  (`{dose}`) is not. Types that a file does not name are not annotated in its notes.
- Where a fold is held out, so is every fifth name of each type and every fifth line, counted from the fold's number:
  `held_out_notes` are made of these alone, `learnt_notes` of the others.
- The same file, count and seed make the same notes.
After the templates of M. Ribeiro et al., "Beyond accuracy: behavioral testing of NLP models with CheckList" (ACL 2020,
arXiv 2005.04118), which tests with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cardio_ner.config import read_config
from cardio_ner.corpus.multicardioner import N_FOLDS
from cardio_ner.document import LANGUAGES, Document, Span
from cardio_ner.errors import ConfigError
from cardio_ner.tokenization import DocumentTokenizer
from cardio_training.dataset import EncodingReport, Example, make_examples
from cardio_training.recipe import Recipe

LINES_OF_A_NOTE = (3, 8)
PLACE = re.compile(r"\{([^{}]*)\}")
EXAMPLE = "conf/training/written/en.yaml"
Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], Field(min_length=N_FOLDS)]


class WrittenFile(BaseModel):
    """Lines and what fills their places, of one language."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: str
    mentions: dict[str, Texts] = Field(min_length=1)
    """Names by entity type."""
    fillers: dict[str, Texts] = Field(default_factory=dict)
    lines: Texts

    @model_validator(mode="after")
    def _check(self) -> WrittenFile:
        if self.language not in LANGUAGES:
            raise ValueError(f"language {self.language}: expected one of {', '.join(LANGUAGES)}")
        known = self.mentions.keys() | self.fillers.keys()
        for line in self.lines:
            unknown = sorted(set(PLACE.findall(line)) - known)
            if unknown:
                raise ValueError(f"line {line!r:.60}: places {unknown}: expected some of {', '.join(sorted(known))}")
        return self

    def learnt_notes(self, count: int, *, held_out_fold: int | None, seed: int) -> list[Document]:
        """`count` notes of what the fold leaves, or of everything."""
        return self._notes(count, seed, lambda i: held_out_fold is None or i % N_FOLDS != held_out_fold)

    def held_out_notes(self, count: int, *, held_out_fold: int, seed: int) -> list[Document]:
        """`count` notes of what the fold holds out."""
        return self._notes(count, seed, lambda i: i % N_FOLDS == held_out_fold)

    def _notes(self, count: int, seed: int, taken: Callable[[int], bool]) -> list[Document]:
        def part(texts: Sequence[str]) -> list[str]:
            return [text for i, text in enumerate(texts) if taken(i)]

        lines = part(self.lines)
        names = {kind: part(texts) for kind, texts in self.mentions.items()} | self.fillers
        generator = np.random.default_rng(seed)
        return [self._note(f"{self.language}-{n}", lines, names, generator) for n in range(count)]

    def _note(
        self, doc_id: str, lines: Sequence[str], names: Mapping[str, Sequence[str]], generator: np.random.Generator
    ) -> Document:
        """One note: some of the lines, each once, their places filled."""
        size = min(len(lines), int(generator.integers(*LINES_OF_A_NOTE, endpoint=True)))
        drawn = "\n".join(lines[int(i)] for i in generator.choice(len(lines), size, replace=False))
        parts, spans, at, end = [], [], 0, 0
        for place in PLACE.finditer(drawn):
            pool = names[place[1]]
            name = pool[int(generator.integers(len(pool)))]
            parts += [drawn[at : place.start()], name]
            start = end + place.start() - at
            at, end = place.end(), start + len(name)
            if place[1] in self.mentions:
                spans.append(Span(start, end, place[1]))
        return Document(doc_id, self.language, "".join([*parts, drawn[at:]]), tuple(spans))


def read_written(path: Path) -> WrittenFile:
    """A file of lines and names. Raises ConfigError."""
    return read_config(path, WrittenFile, {}, example=EXAMPLE)


def written_examples(recipe: Recipe, tokenizer: DocumentTokenizer, report: EncodingReport) -> list[Example]:
    """The windows of the recipe's notes; `report` is added to. Raises ConfigError for a file of another language."""
    examples: list[Example] = []
    for path in recipe.written:
        file = read_written(path)
        if file.language not in recipe.languages:
            raise ConfigError(
                f"written {path}: notes in {file.language}: expected one of the recipe's languages, "
                f"{', '.join(recipe.languages)}; leave it out"
            )
        examples += make_examples(
            file.learnt_notes(recipe.written_notes, held_out_fold=recipe.held_out_fold, seed=recipe.seed),
            annotated=frozenset(file.mentions),
            scheme=recipe.scheme,
            tokenizer=tokenizer,
            window_tokens=recipe.window_tokens,
            overlap_tokens=recipe.training_overlap_tokens,
            report=report,
        )
    return examples
