"""What mistakes look like."""

from __future__ import annotations

import pytest

from cardio_ner.document import DISEASE, MEDICATION, Document, Span
from cardio_training.shapes import mistakes_table, shape_of


@pytest.mark.parametrize(
    ("text", "mention", "shape"),
    [
        ("Paciente conHTA y fiebre", "HTA", "misspaced"),
        ("con fiebreyotra", "fiebre", "misspaced"),
        ("ANTECEDENTES DE INFARTO\nfiebre", "INFARTO", "capitals"),
        ("con EPOC.", "EPOC", "abbreviation"),
        ("varios IAMs", "IAMs", "abbreviation"),
        ("diabetes tipo 2", "diabetes tipo 2", "number"),
        ("estenosis e insuficiencia aórtica", "estenosis e insuficiencia aórtica", "coordinated"),
        ("miocardiopatía hipertrófica obstructiva del ventrículo izquierdo", None, "long"),
        ("con fiebre alta", "fiebre", "plain"),
    ],
)
def test_the_shape_of_a_mention(text: str, mention: str | None, shape: str) -> None:
    mention = mention or text
    start = text.index(mention)
    assert shape_of(Document("a", "es", text), Span(start, start + len(mention), DISEASE)) == shape


def test_mistakes_are_counted_beside_the_gold_of_their_shape() -> None:
    text = "EPOC y HTA, fiebre; enalapril"
    spans = [Span(0, 4, DISEASE), Span(7, 10, DISEASE), Span(7, 10, DISEASE), Span(20, 29, MEDICATION)]
    gold = Document("a", "es", text).with_spans(spans)  # one stands there twice, which scores count once
    found = gold.with_spans([Span(0, 4, DISEASE), Span(12, 18, DISEASE)])
    table = mistakes_table([gold], [found], DISEASE)
    assert [column.header for column in table.columns] == ["shape", "gold", "boundary", "missed", "spurious"]
    rows = zip(*(list(column.cells) for column in table.columns), strict=True)
    assert sorted(rows) == [("abbreviation", "2", "0", "1", "0"), ("plain", "0", "0", "0", "1")]
