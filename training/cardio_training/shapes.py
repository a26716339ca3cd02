"""What mistakes look like: of each shape of mention, how many there are and how many went wrong, and how."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from rich.table import Table

from cardio_ner.document import Document, Span
from cardio_ner.mistakes import KINDS, mistakes

_ABBREVIATION = re.compile(r"(?=.*[A-ZÁÉÍÓÚÑ])[A-ZÁÉÍÓÚÑ0-9/.+-]{2,8}s?")
_COORDINATED = re.compile(r",|\b(?:y|e|o|u|ni|ed|and|or|nor)\b")
LONG_WORDS = 6


def shape_of(document: Document, span: Span) -> str:
    """The first of these that fits: misspaced, capitals, abbreviation, number, coordinated, long, plain."""
    text, mention = document.text, document.mention(span)
    edges = (text[max(0, span.start - 1) : span.start + 1], text[span.end - 1 : span.end + 1])
    if any(len(edge) == 2 and edge.isalnum() for edge in edges):  # noqa: PLR2004  a letter on both sides
        return "misspaced"
    line = text[text.rfind("\n", 0, span.start) + 1 :].partition("\n")[0]
    if line.isupper() and " " in line.strip():
        return "capitals"
    if _ABBREVIATION.fullmatch(mention):
        return "abbreviation"
    if re.search(r"\d", mention):
        return "number"
    if _COORDINATED.search(mention):
        return "coordinated"
    return "long" if len(mention.split()) >= LONG_WORDS else "plain"


def mistakes_table(gold: Sequence[Document], predicted: Iterable[Document], entity_type: str) -> Table:
    """Mistakes of one type by shape and kind, beside the gold mentions of that shape, each once as in the scores."""
    own = [document.with_spans({s for s in document.spans if s.entity_type == entity_type}) for document in gold]
    given = [document.with_spans(s for s in document.spans if s.entity_type == entity_type) for document in predicted]
    there = Counter(shape_of(document, span) for document in own for span in document.spans)
    made = Counter(
        (shape_of(mistake.document, span), mistake.kind)
        for mistake in mistakes(own, given)
        if (span := mistake.gold or mistake.found)
    )
    kinds = [kind for kind in KINDS if kind != "type"]  # of one type there is no other to be taken for
    table = Table("shape", "gold", *kinds, title=f"{gold[0].language} {entity_type}: mistakes by shape")
    shapes = there.keys() | {shape for shape, _ in made}
    for shape in sorted(shapes, key=lambda name: -sum(made[name, kind] for kind in kinds)):
        table.add_row(shape, str(there[shape]), *(str(made[shape, kind]) for kind in kinds))
    return table
