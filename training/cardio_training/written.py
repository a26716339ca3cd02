"""Written notes: short notes made of a file's lines and names, for what the corpora of case reports lack: lists of
medications, brand names, abbreviations, and what looks like them.

Contract
- A file of `conf/training/written` has lines with places to fill: `{MEDICATION}` is annotated as that type, any other
  (`{dose}`) is not. Types that a file does not name are not annotated in its notes.
- Where a fold is held out, so is every fifth name of each type and every fifth line, counted from the fold's number:
  `held_out_notes` are made of these alone, `learnt_notes` of the others. What fills other places serves both.
- The same file, count and seed make the same notes.
After the templates of M. Ribeiro et al., "Beyond accuracy: behavioral testing of NLP models with CheckList" (ACL 2020,
arXiv 2005.04118), which tests with them.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from cardio_ner.config import read_config
from cardio_ner.corpus.multicardioner import N_FOLDS
from cardio_ner.document import LANGUAGES, Document, Span
from cardio_ner.errors import ConfigError
from cardio_ner.tags import TagScheme
from cardio_ner.tokenization import DocumentTokenizer
from cardio_training.dataset import EncodingReport, Example, make_examples
from cardio_training.recipe import Recipe

LINES_OF_A_NOTE = (3, 8)
PLACE = re.compile(r"\{([^{}\n]*)\}")
EXAMPLE = "conf/training/written/en.yaml"


def _different(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The texts, if no two are alike (but for capitals, and space around them)."""
    counted = Counter(text.strip().lower() for text in texts)
    alike = sorted(text for text, count in counted.items() if count > 1)
    if alike:
        raise ValueError(f"{alike[0]!r:.40} stands there twice: expected each once")
    return texts


Name = Annotated[str, Field(pattern=r"^\S(.*\S)?$")]
Names = Annotated[tuple[Name, ...], Field(min_length=N_FOLDS), AfterValidator(_different)]
Line = Annotated[str, Field(min_length=1)]
Lines = Annotated[tuple[Line, ...], Field(min_length=N_FOLDS), AfterValidator(_different)]


class WrittenFile(BaseModel):
    """Lines and what fills their places, of one language."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: str
    mentions: dict[str, Names] = Field(min_length=1)
    """Names by entity type."""
    fillers: dict[str, Names] = Field(default_factory=dict)
    lines: Lines

    @model_validator(mode="after")
    def _check(self) -> WrittenFile:
        if self.language not in LANGUAGES:
            raise ValueError(f"language {self.language}: expected one of {', '.join(LANGUAGES)}")
        if both := sorted(self.mentions.keys() & self.fillers.keys()):
            raise ValueError(f"{both[0]}: expected under mentions or under fillers, not both")
        known = self.mentions.keys() | self.fillers.keys()
        plain = {name.lower(): name for names in self.mentions.values() for name in names}
        for kind, names in self.fillers.items():
            if hidden := sorted(plain.keys() & {name.lower() for name in names}):
                raise ValueError(
                    f"{plain[hidden[0]]!r:.40} is a mention, and {kind} has it, which is none: take it out"
                )
        written_out = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, plain))})(?!\w)")
        for line in self.lines:
            if found := written_out.search(PLACE.sub("\0", line).lower()):
                raise ValueError(
                    f"line {line!r:.60}: {plain[found[0]]!r:.40} stands written out in it, and would be learnt as no "
                    "mention: put a place there"
                )
            unknown = sorted(set(PLACE.findall(line)) - known)
            if unknown:
                raise ValueError(f"line {line!r:.60}: places {unknown}: expected some of {', '.join(sorted(known))}")
            if set("{}") & set(PLACE.sub("", line)):
                raise ValueError(f"line {line!r:.60}: a brace that holds no place: expected them in pairs")
        return self

    def learnt_notes(self, count: int, *, held_out_fold: int | None, seed: int) -> list[Document]:
        """`count` notes of what the fold leaves, or of everything."""
        return self._notes(count, seed, lambda i: held_out_fold is None or i % N_FOLDS != held_out_fold)

    def held_out_notes(self, count: int, *, held_out_fold: int, seed: int) -> list[Document]:
        """`count` notes of what the fold holds out. Raises ConfigError for a fold that there is not."""
        if not 0 <= held_out_fold < N_FOLDS:
            raise ConfigError(f"fold {held_out_fold}: expected 0 to {N_FOLDS - 1}")
        return self._notes(count, seed, lambda i: i % N_FOLDS == held_out_fold)

    def learns(self, scheme: TagScheme) -> bool:
        """Does it annotate all types of one of the label groups?"""
        return any(set(group.entity_types) <= self.mentions.keys() for group in scheme.groups)

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


def digests_of(paths: Sequence[Path]) -> dict[str, str]:
    """The sha256 of each file. Raises ConfigError for one that cannot be read."""
    try:
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    except OSError as error:
        raise ConfigError(
            f"written: {error.filename}: cannot be read ({type(error).__name__}): see {EXAMPLE}"
        ) from None


def written_examples(recipe: Recipe, tokenizer: DocumentTokenizer, report: EncodingReport) -> list[Example]:
    """The windows of the recipe's notes; `report` is added to. Raises ConfigError for a file of another language, or
    one that annotates no label group of the recipe's."""
    examples: list[Example] = []
    for path in recipe.written:
        file = read_written(path)
        if file.language not in recipe.languages:
            raise ConfigError(
                f"written {path}: notes in {file.language}: expected one of the recipe's languages, "
                f"{', '.join(recipe.languages)}; leave it out"
            )
        if not file.learns(recipe.scheme):
            groups = " or ".join("+".join(group.entity_types) for group in recipe.scheme.groups)
            raise ConfigError(
                f"written {path}: mentions of {', '.join(file.mentions)}: expected all types of a label group, {groups}"
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
