"""Gold and found mentions side by side: scores by language and type, mistakes by kind, the most frequent ones.

Contract
- Scores are those of `evaluation` (our rule and the official one), mistakes those of `mistakes`.
- A type is scored in a language where gold has mentions of it; if the caller names it, where either side has: of what
  was not looked for, nothing is known. Found mentions of other types count nowhere.
- A mistake about two types is counted with the gold one. Mentions that differ in case alone, or in how accents are
  written, are counted together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from unicodedata import normalize

from cardio_ner.corpus.standoff import OFFICIAL_LABELS, one_line
from cardio_ner.document import DISEASE, MEDICATION, Document, Span
from cardio_ner.errors import InputError
from cardio_ner.evaluation import Score, strict_score
from cardio_ner.mistakes import KINDS, Kind, Mistake, mistakes

Task = tuple[str, str]
"""A language and a type."""


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One language and type."""

    language: str
    entity_type: str
    n_documents: int
    strict: Score
    official: Score
    mistakes: dict[Kind, int]


@dataclass(frozen=True, slots=True)
class FrequentMistake:
    """A mistake that was made so often: the gold mention, the found one, or both, in small letters."""

    language: str
    entity_type: str
    kind: Kind
    gold: str | None
    found: str | None
    times: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """All tasks, and of each task and kind the most frequent mistakes."""

    results: list[TaskResult]
    frequent: list[FrequentMistake]


def compare(
    gold: Sequence[Document], found: Sequence[Document], *, entity_types: Sequence[str] = (), top: int = 3
) -> Comparison:
    """Compare documents that are matched by `doc_id`. Raises InputError where there is no type to score, or no mention
    of one that is named."""
    results: list[TaskResult] = []
    frequent: list[FrequentMistake] = []
    for language in sorted({document.language for document in gold}):
        own = [document for document in gold if document.language == language]
        ids = {document.doc_id for document in own}
        given = [document for document in found if document.doc_id in ids]
        in_gold = _types_of(own)
        scored = sorted(set(entity_types) & (in_gold | _types_of(given)) if entity_types else in_gold)
        made = list(mistakes(_only(own, scored), _only(given, scored)))
        for name in scored:
            task_mistakes = [mistake for mistake in made if _type_of(mistake) == name]
            results.append(_result(language, name, own, given, task_mistakes))
            frequent += _most_frequent((language, name), task_mistakes, top)
    for name in {*entity_types} - {result.entity_type for result in results}:
        there = ", ".join(sorted(_types_of(gold) | _types_of(found))) or "none"
        raise InputError(
            f"--type {name}: neither side has a mention of this type: expected one that is there ({there})"
        )
    if not results:
        raise InputError("gold holds no mention: expected some, or --type to say what was looked for")
    return Comparison(results, frequent)


def lone_types(comparison: Comparison, gold: Iterable[Document], found: Iterable[Document]) -> list[str]:
    """Of each scored type that one side alone has, though the other has mentions too: a line that says so. The two may
    name one thing differently, and its score is 0 then, whatever was found."""
    sides = {"gold": _types_of(gold), "the other side": _types_of(found)}
    return [
        f"type {name}: {side} has no mention of it, its types are {', '.join(sorted(types))}: expected the same names "
        f"on both sides, such as {DISEASE}, {MEDICATION} (or {', '.join(OFFICIAL_LABELS)}, which are read as these)"
        for name in dict.fromkeys(result.entity_type for result in comparison.results)
        for side, types in sides.items()
        if types and name not in types
    ]


def _result(
    language: str, name: str, gold: list[Document], found: list[Document], made: Iterable[Mistake]
) -> TaskResult:
    kinds = Counter(mistake.kind for mistake in made)
    return TaskResult(
        language=language,
        entity_type=name,
        n_documents=len(gold),
        strict=strict_score(gold, found, entity_type=name),
        official=strict_score(gold, found, entity_type=name, only_documents_with_gold=True),
        mistakes={kind: kinds[kind] for kind in KINDS},
    )


def _types_of(documents: Iterable[Document]) -> set[str]:
    return {span.entity_type for document in documents for span in document.spans}


def _only(documents: Iterable[Document], entity_types: Sequence[str]) -> list[Document]:
    return [d.with_spans(span for span in d.spans if span.entity_type in entity_types) for d in documents]


def _type_of(mistake: Mistake) -> str | None:
    span = mistake.gold or mistake.found
    return None if span is None else span.entity_type


def _most_frequent(task: Task, made: Iterable[Mistake], top: int) -> list[FrequentMistake]:
    """Of each kind the most frequent ones, then in order of the alphabet."""
    times = Counter((m.kind, _words(m.document, m.gold), _words(m.document, m.found)) for m in made)
    ranked = sorted(times.items(), key=lambda item: (-item[1], item[0][1] or "", item[0][2] or ""))
    return [
        FrequentMistake(*task, kind, gold, found, count)
        for kind in KINDS
        for (_, gold, found), count in [item for item in ranked if item[0][0] == kind][:top]
    ]


def _words(document: Document, span: Span | None) -> str | None:
    return None if span is None else normalize("NFC", one_line(document.mention(span)).lower())
