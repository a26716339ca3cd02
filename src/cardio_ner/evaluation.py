"""Strict scores: a mention counts only if document, start, end and type are all right.

Contract
- Micro precision, recall and F1 over sets of (doc_id, start, end, entity_type): duplicates count once.
- 0/0: no prediction gives precision 0, no gold gives recall 0, and F1 is 0 where both are 0; except that precision,
  recall and F1 are all 1 where there is neither gold nor prediction (nothing to find, nothing found).
- The *official* rule of MultiCardioNER (BioASQ 2024 evaluation library): only documents that have gold mentions of
  the type are scored; predictions in other documents cost nothing. Our own rule scores every document.
- seqeval is called elsewhere (training/evaluate.py): this module needs characters, not tags.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cardio_ner.document import Document
from cardio_ner.errors import DocumentError

Mention = tuple[str, int, int, str]


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of mentions, and the three ratios that follow from them."""

    true_positives: int
    n_predicted: int
    n_gold: int

    @property
    def precision(self) -> float:
        """True positives over predicted mentions."""
        return self._ratio(self.n_predicted)

    @property
    def recall(self) -> float:
        """True positives over gold mentions."""
        return self._ratio(self.n_gold)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall: 2 TP / (predicted + gold)."""
        return self._ratio((self.n_predicted + self.n_gold) / 2)

    def _ratio(self, whole: float) -> float:
        if self.n_predicted == self.n_gold == 0:
            return 1.0
        return self.true_positives / whole if whole else 0.0


def mentions(documents: Iterable[Document], entity_type: str | None = None) -> set[Mention]:
    """The mentions of the documents as comparable keys, of one type or of all."""
    return {
        (document.doc_id, span.start, span.end, span.entity_type)
        for document in documents
        for span in document.spans
        if entity_type in (None, span.entity_type)
    }


def strict_score(
    gold: Iterable[Document],
    predicted: Iterable[Document],
    *,
    entity_type: str | None = None,
    only_documents_with_gold: bool = False,
) -> Score:
    """Score predicted documents against gold ones, matched by `doc_id`.

    `only_documents_with_gold`: the official rule. Raises DocumentError where the two hold different documents, for
    a document that was never tagged must not pass for one without mentions.
    """
    gold, predicted = list(gold), list(predicted)
    check_same_documents(gold, predicted)
    wanted = mentions(gold, entity_type)
    found = mentions(predicted, entity_type)
    if only_documents_with_gold:
        scored = {doc_id for doc_id, *_ in wanted}
        found = {mention for mention in found if mention[0] in scored}
    return Score(len(wanted & found), len(found), len(wanted))


def check_same_documents(gold: list[Document], predicted: list[Document]) -> None:
    """Raise DocumentError unless both sides hold the same identifiers, each once."""
    gold_ids, predicted_ids = [d.doc_id for d in gold], [d.doc_id for d in predicted]
    for side, ids in (("gold", gold_ids), ("predicted", predicted_ids)):
        if len(set(ids)) != len(ids):
            raise DocumentError(f"{len(ids) - len(set(ids))} {side} documents share an id: expected each id once")
    odd = set(gold_ids) ^ set(predicted_ids)
    if odd:
        raise DocumentError(
            f"{len(odd)} documents are on one side only (such as {min(odd)!r}): tag every gold document, and no other"
        )
