"""Gold beside found: scores and mistakes by language and type, the most frequent ones."""

from __future__ import annotations

from unicodedata import normalize

import pytest

from cardio_ner.document import Document, Span
from cardio_ner.errors import InputError
from cardio_ner.evaluation import Score
from cardio_ner.report.comparison import FrequentMistake, compare

TEXT = "HTA grave. hta grave. EPOC. Fiebre. Aspirina."
HTA, HTA_GRAVE, AGAIN, AGAIN_GRAVE = (0, 3), (0, 9), (11, 14), (11, 20)
EPOC, FIEBRE, ASPIRINA = (22, 26), (28, 34), (36, 44)


def note(doc_id: str, language: str, diseases: list[tuple[int, int]], medications: list[tuple[int, int]]) -> Document:
    spans = [Span(*place, "DISEASE") for place in diseases] + [Span(*place, "MEDICATION") for place in medications]
    return Document(doc_id, language, TEXT).with_spans(spans)


GOLD = [
    note("1", "es", [HTA_GRAVE, AGAIN_GRAVE, EPOC], [ASPIRINA]),
    note("2", "es", [], [ASPIRINA]),
    note("3", "it", [], [ASPIRINA]),
]
FOUND = [
    note("1", "es", [HTA, AGAIN, FIEBRE, ASPIRINA], []),
    note("2", "es", [FIEBRE], [ASPIRINA]),
    note("3", "it", [FIEBRE], [ASPIRINA]),
]


def test_scores_are_by_language_and_type_and_by_both_rules() -> None:
    results = {(r.language, r.entity_type): r for r in compare(GOLD, FOUND).results}
    diseases = results["es", "DISEASE"]
    assert (diseases.n_documents, diseases.strict, diseases.official) == (2, Score(0, 5, 3), Score(0, 4, 3))
    assert results["es", "MEDICATION"].strict == Score(1, 1, 2)
    assert results["it", "MEDICATION"].strict == Score(1, 1, 1)
    assert len(results) == 3  # Italian diseases were not looked for in gold


def test_mistakes_are_counted_by_kind_with_the_gold_type() -> None:
    mistakes = {(r.language, r.entity_type): r.mistakes for r in compare(GOLD, FOUND).results}
    assert mistakes == {
        ("es", "DISEASE"): {"boundary": 2, "type": 0, "missed": 1, "spurious": 2},
        ("es", "MEDICATION"): {"boundary": 0, "type": 1, "missed": 0, "spurious": 0},
        ("it", "MEDICATION"): {"boundary": 0, "type": 0, "missed": 0, "spurious": 0},
    }


def test_the_most_frequent_mistakes_count_small_and_capital_letters_together() -> None:
    assert compare(GOLD, FOUND).frequent == [
        FrequentMistake("es", "DISEASE", "boundary", "hta grave", "hta", 2),
        FrequentMistake("es", "DISEASE", "missed", "epoc", None, 1),
        FrequentMistake("es", "DISEASE", "spurious", None, "fiebre", 2),
        FrequentMistake("es", "MEDICATION", "type", "aspirina", "aspirina", 1),
    ]


def test_a_mistake_is_the_same_however_its_accents_are_written() -> None:
    words = [normalize(form, "derrame pericárdico") for form in ("NFC", "NFD")]
    gold = [Document(text, "es", text).with_spans([Span(0, len(text), "DISEASE")]) for text in words]
    (missed,) = compare(gold, [document.with_spans([]) for document in gold]).frequent
    assert (missed.gold, missed.times) == (words[0], 2)


def test_no_more_than_asked_for_are_named_and_the_rest_still_counts() -> None:
    found = [note("1", "es", [HTA_GRAVE], [])]
    gold = [note("1", "es", [HTA_GRAVE, AGAIN, FIEBRE, EPOC], [])]
    comparison = compare(gold, found, top=2)
    assert [mistake.gold for mistake in comparison.frequent] == ["epoc", "fiebre"]
    assert comparison.results[0].mistakes["missed"] == 3


def test_a_type_that_is_named_is_scored_without_gold_and_alone() -> None:
    (spanish, italian) = compare(GOLD, FOUND, entity_types=["DISEASE"]).results
    assert (italian.strict, italian.mistakes["spurious"]) == (Score(0, 1, 0), 1)
    assert spanish.mistakes == {"boundary": 2, "type": 0, "missed": 1, "spurious": 3}


def test_gold_without_any_mention_is_refused() -> None:
    with pytest.raises(InputError, match="gold holds no mention"):
        compare([note("1", "es", [], [])], [note("1", "es", [HTA], [])])
