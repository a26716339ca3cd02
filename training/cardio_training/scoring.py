"""Scores of a checkpoint on gold documents: strict (ours and the official rule) and seqeval, per type.

Contract
- Strict: `cardio_ner.evaluation`, over characters. Official: only documents with gold mentions of the type are scored.
- seqeval (H. Nakayama, https://github.com/chakki-works/seqeval): entity F1 in IOB2 strict mode over the checkpoint's
  tokens, one document a sequence. It cannot see what BIO cannot say, so it is a little higher than strict where gold
  mentions overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.table import Table
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

from cardio_ner.document import Document
from cardio_ner.evaluation import Score, strict_score
from cardio_ner.tagger import Tagger
from cardio_ner.tags import TagScheme


@dataclass(frozen=True, slots=True)
class TaskScore:
    """One language and type. Ratios in [0, 1]."""

    language: str
    entity_type: str
    documents: int
    gold: int
    predicted: int
    precision: float
    recall: float
    f1: float
    official_f1: float
    seqeval_f1: float


def score_documents(
    tagger: Tagger, gold: Sequence[Document], predicted: Sequence[Document], entity_types: Sequence[str]
) -> list[TaskScore]:
    """Score each type of one language's documents, as the tagger has tagged them."""
    scores = []
    for name in entity_types:
        strict = strict_score(gold, predicted, entity_type=name)
        official = strict_score(gold, predicted, entity_type=name, only_documents_with_gold=True)
        seqeval = seqeval_f1(tagger, gold, predicted, name)
        scores.append(_task_score(gold, name, strict, official, seqeval))
    return scores


def _task_score(gold: Sequence[Document], name: str, strict: Score, official: Score, seqeval: float) -> TaskScore:
    return TaskScore(
        language=gold[0].language,
        entity_type=name,
        documents=len(gold),
        gold=strict.n_gold,
        predicted=strict.n_predicted,
        precision=strict.precision,
        recall=strict.recall,
        f1=strict.f1,
        official_f1=official.f1,
        seqeval_f1=seqeval,
    )


def seqeval_f1(tagger: Tagger, gold: Sequence[Document], predicted: Sequence[Document], entity_type: str) -> float:
    """seqeval's entity F1 for one type, over the tagger's tokens."""
    scheme = TagScheme.of([entity_type])
    labels = scheme.groups[0].labels
    tokens = tagger.encoder.tokenizer([document.text for document in gold])
    sides = []
    for documents in (gold, predicted):
        tags = [
            scheme.encode([s for s in d.spans if s.entity_type == entity_type], t.starts, t.ends).tags_GT[0]
            for d, t in zip(documents, tokens, strict=True)
        ]
        sides.append([[labels[tag] for tag in row] for row in tags])
    if not any(tag != "O" for side in sides for row in side for tag in row):
        return 1.0  # nothing to find, and nothing found: as the strict score has it
    return float(f1_score(*sides, mode="strict", scheme=IOB2, zero_division=0))


def as_table(scores: Sequence[TaskScore], title: str) -> Table:
    """The scores in percent, for a terminal."""
    table = Table(title=title)
    for column in ("language", "type", "documents", "gold", "predicted", "P", "R", "F1", "official F1", "seqeval F1"):
        table.add_column(column, justify="left" if column in ("language", "type") else "right")
    for score in scores:
        values = asdict(score)
        counts = [str(values[name]) for name in ("documents", "gold", "predicted")]
        ratios = ("precision", "recall", "f1", "official_f1", "seqeval_f1")
        table.add_row(score.language, score.entity_type, *counts, *(f"{100 * values[name]:.2f}" for name in ratios))
    return table
