"""Strict scores."""

import pytest

from cardio_ner.document import DISEASE, MEDICATION, Document, Span
from cardio_ner.errors import DocumentError
from cardio_ner.evaluation import Score, mentions, strict_score

TEXT = "x" * 40


def doc(name: str, *spans: Span) -> Document:
    return Document(name, "es", TEXT, spans)


def test_a_mention_counts_only_if_document_start_end_and_type_are_right() -> None:
    gold = [doc("a", Span(0, 5, DISEASE), Span(6, 9, DISEASE), Span(10, 12, DISEASE), Span(20, 25, DISEASE)), doc("b")]
    found = [
        doc("a", Span(0, 5, DISEASE), Span(7, 9, DISEASE), Span(10, 13, DISEASE)),
        doc("b", Span(20, 25, DISEASE)),
    ]
    assert strict_score(gold, found) == Score(true_positives=1, n_predicted=4, n_gold=4)
    assert strict_score([doc("a", Span(0, 5, DISEASE))], [doc("a", Span(0, 5, MEDICATION))]).true_positives == 0


def test_precision_recall_and_f1_are_the_textbook_ratios() -> None:
    score = Score(true_positives=3, n_predicted=4, n_gold=6)
    assert (score.precision, score.recall) == (0.75, 0.5)
    assert score.f1 == pytest.approx(2 * 0.75 * 0.5 / 1.25)


def test_nothing_to_find_and_nothing_found_is_perfect() -> None:
    score = strict_score([doc("a")], [doc("a")])
    assert (score.precision, score.recall, score.f1) == (1.0, 1.0, 1.0)


def test_no_prediction_scores_zero_where_there_is_gold() -> None:
    score = strict_score([doc("a", Span(0, 5, DISEASE))], [doc("a")])
    assert (score.precision, score.recall, score.f1) == (0.0, 0.0, 0.0)


def test_predictions_without_gold_score_zero() -> None:
    score = strict_score([doc("a")], [doc("a", Span(0, 5, DISEASE))])
    assert (score.precision, score.recall, score.f1) == (0.0, 0.0, 0.0)


def test_duplicates_count_once_on_both_sides() -> None:
    gold = [doc("a", Span(0, 5, DISEASE), Span(0, 5, DISEASE))]
    found = [doc("a", Span(0, 5, DISEASE, 0.9), Span(0, 5, DISEASE, 0.4))]
    assert strict_score(gold, found) == Score(1, 1, 1)


def test_the_official_rule_scores_only_documents_with_gold_of_the_type() -> None:
    gold = [doc("a", Span(0, 5, DISEASE)), doc("b", Span(0, 5, MEDICATION)), doc("c")]
    found = [doc(name, Span(0, 5, DISEASE), Span(7, 9, DISEASE)) for name in "abc"]
    official = strict_score(gold, found, entity_type=DISEASE, only_documents_with_gold=True)
    ours = strict_score(gold, found, entity_type=DISEASE)
    assert official == Score(1, 2, 1)
    assert ours == Score(1, 6, 1)


def test_one_type_can_be_scored_alone() -> None:
    gold = [doc("a", Span(0, 5, DISEASE), Span(1, 3, MEDICATION))]
    found = [doc("a", Span(0, 5, DISEASE), Span(1, 4, MEDICATION))]
    assert strict_score(gold, found, entity_type=DISEASE) == Score(1, 1, 1)
    assert strict_score(gold, found, entity_type=MEDICATION) == Score(0, 1, 1)
    assert strict_score(gold, found) == Score(1, 2, 2)


def test_documents_are_matched_by_id_not_by_place() -> None:
    a, b = doc("a", Span(0, 5, DISEASE)), doc("b", Span(7, 9, DISEASE))
    assert strict_score([a, b], iter([b, a])).f1 == 1.0


@pytest.mark.parametrize(("gold", "found"), [(["a", "b"], ["a"]), (["a"], ["a", "b"]), (["a"], ["b"]), ([], ["a"])])
def test_documents_on_one_side_only_are_refused(gold: list[str], found: list[str]) -> None:
    with pytest.raises(DocumentError, match="one side only"):
        strict_score(map(doc, gold), map(doc, found))


@pytest.mark.parametrize(("gold", "found"), [(["a", "a"], ["a"]), (["a"], ["a", "a"])])
def test_an_id_that_comes_twice_is_refused(gold: list[str], found: list[str]) -> None:
    with pytest.raises(DocumentError, match="share an id"):
        strict_score(map(doc, gold), map(doc, found))


def test_mentions_are_keys_of_document_place_and_type() -> None:
    assert mentions([doc("a", Span(0, 5, DISEASE, 0.3)), doc("b", Span(1, 2, MEDICATION))]) == {
        ("a", 0, 5, DISEASE),
        ("b", 1, 2, MEDICATION),
    }
