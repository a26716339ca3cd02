"""What a tagger gets wrong: each strict mistake once, by kind.

    gold      [fibrilación auricular]        [insuficiencia cardiaca]         [EPOC]
    found     [fibrilación] auricular        [insuficiencia cardiaca]  [alta]
               boundary                       right                     spurious  missed

Contract
- Mentions are compared as strict scores compare them (see evaluation): what is on both sides is no mistake.
- A found mention and a gold one of its type that overlap are one `boundary` mistake, each mention in one at most, most
  overlap first. Of what is left, a found mention and a gold one of another type that overlap are one `type` mistake; a
  gold mention alone is `missed`, a found one `spurious`.
- So false negatives = boundary + type + missed, and false positives = boundary + type + spurious.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from cardio_ner.document import Document, Span
from cardio_ner.evaluation import check_same_documents

Kind = Literal["boundary", "type", "missed", "spurious"]
KINDS: tuple[Kind, ...] = ("boundary", "type", "missed", "spurious")


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in a document: the gold mention, the found one, or both."""

    document: Document
    kind: Kind
    gold: Span | None
    found: Span | None


def mistakes(gold: Iterable[Document], predicted: Iterable[Document]) -> Iterator[Mistake]:
    """The mistakes of predicted documents, matched by `doc_id`, document by document, in reading order.

    Raises DocumentError where the two sides hold different documents.
    """
    gold, predicted = list(gold), list(predicted)
    check_same_documents(gold, predicted)
    found = {document.doc_id: document for document in predicted}
    for document in gold:
        yield from _of_document(document, found[document.doc_id])


def _of_document(gold: Document, found: Document) -> list[Mistake]:
    missing, extra = set(gold.spans) - set(found.spans), set(found.spans) - set(gold.spans)
    made: list[Mistake] = []
    for kind in KINDS[:2]:
        for wanted, given in _overlapping(missing, extra, same_type=kind == "boundary"):
            if wanted in missing and given in extra:
                missing.remove(wanted)
                extra.remove(given)
                made.append(Mistake(gold, kind, wanted, given))
    made += [Mistake(gold, "missed", span, None) for span in missing]
    made += [Mistake(gold, "spurious", None, span) for span in extra]
    return sorted(made, key=lambda mistake: (mistake.gold or mistake.found, mistake.kind))


def _overlapping(missing: set[Span], extra: set[Span], *, same_type: bool) -> list[tuple[Span, Span]]:
    """Pairs that overlap, of one type or of two; most overlap first, then in reading order."""
    pairs = [
        (min(wanted.end, given.end) - max(wanted.start, given.start), wanted, given)
        for wanted in missing
        for given in extra
        if (wanted.entity_type == given.entity_type) == same_type
    ]
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    return [(wanted, given) for overlap, wanted, given in pairs if overlap > 0]
