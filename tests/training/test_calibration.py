"""Scores that mean what they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cardio_ner.document import DISEASE, MEDICATION, Document
from cardio_ner.errors import ConfigError
from cardio_ner.tagger import Tagger
from cardio_ner.word_table import Tokens
from cardio_training import calibration
from cardio_training.calibration import _halves, calibrate, expected_calibration_error
from tiny_models import CLINICAL_TEXT

pytestmark = pytest.mark.usefixtures("one_thread")
BOTH = {"es": frozenset({DISEASE, MEDICATION})}


def test_the_error_is_the_distance_of_score_and_share_right_over_ten_bins() -> None:
    scores = np.array([0.95, 0.95, 0.95, 0.95, 0.15, 0.15])
    right = np.array([True, True, True, False, False, True])
    expected = (4 * abs(0.95 - 0.75) + 2 * abs(0.15 - 0.5)) / 6
    assert expected_calibration_error(scores, right) == pytest.approx(expected)
    assert expected_calibration_error(np.ones(3), np.ones(3, dtype=bool)) == 0
    assert expected_calibration_error(np.zeros(0), np.zeros(0, dtype=bool)) == 0


def test_a_document_and_its_translations_are_in_one_half() -> None:
    nothing = Tokens(*(np.zeros(0, dtype=np.int64) for _ in range(4))), np.zeros((0, 3))
    read = [(Document(str(n), language, ""), *nothing) for language in ("es", "en", "it") for n in range(5)]
    halves = [[(one[0].doc_id, one[0].language) for one in half] for half in _halves(read)]
    assert sorted([*halves[0], *halves[1]]) == sorted((one[0].doc_id, one[0].language) for one in read)
    assert {doc_id for doc_id, _ in halves[0]} == {"0", "2", "4"}
    assert {doc_id for doc_id, _ in halves[1]} == {"1", "3"}


@pytest.fixture
def tagger(two_group_checkpoint: Path) -> Tagger:
    return Tagger.load(two_group_checkpoint, device="cpu", precision="fp32")


def gold_of(tagger: Tagger, is_right: Callable[[float], float]) -> list[Document]:
    """Documents whose gold has a found mention with the probability that `is_right` makes of its score."""
    draw = np.random.default_rng(0)
    words = CLINICAL_TEXT.split()
    texts = [" ".join(draw.permutation(words).tolist() * 3) for _ in range(40)]
    documents = [Document(str(number), "es", text) for number, text in enumerate(texts)]
    return [
        document.with_spans(span for span in document.spans if draw.random() < is_right(span.score or 0))
        for document in tagger.tag(documents)
    ]


def test_scores_that_are_right_already_are_left_nearly_alone(tagger: Tagger) -> None:
    for one in calibrate(tagger, gold_of(tagger, lambda score: score), BOTH):
        assert one.n_mentions > 300
        assert one.temperature == pytest.approx(1.0, abs=0.25)
        assert one.ece_before < 0.06


def test_a_model_too_sure_of_itself_is_cooled_and_its_error_falls(tagger: Tagger) -> None:
    def less(score: float) -> float:
        odds = (score / (1 - score + 1e-6)) ** 0.5
        return odds / (1 + odds)

    for one in calibrate(tagger, gold_of(tagger, less), BOTH):
        assert one.temperature > 1.2
        assert one.ece_after < 0.5 * one.ece_before


def test_temperatures_change_scores_and_nothing_else(tagger: Tagger) -> None:
    documents = [Document("a", "es", CLINICAL_TEXT)]
    warm = replace(tagger, temperatures=(3.0, 1.0))
    (plain,), (tempered,) = tagger.tag(documents), warm.tag(documents)
    assert plain == tempered  # scores are no part of equality
    diseases = [
        (p.score, t.score) for p, t in zip(plain.spans, tempered.spans, strict=True) if p.entity_type == "DISEASE"
    ]
    others = [
        (p.score, t.score) for p, t in zip(plain.spans, tempered.spans, strict=True) if p.entity_type != "DISEASE"
    ]
    assert all(before != after for before, after in diseases)
    assert all(before == after for before, after in others)
    assert diseases
    assert others


def test_mentions_that_nobody_looked_for_are_not_counted_as_wrong(
    tagger: Tagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "TEMPERATURES", np.array([1.0, 2.0]))
    gold = gold_of(tagger, lambda score: score)[:8]
    english = [
        replace(document, language="en").with_spans(s for s in document.spans if s.entity_type == MEDICATION)
        for document in gold
    ]
    annotated = BOTH | {"en": frozenset({MEDICATION})}
    spanish, both = (calibrate(tagger, documents, annotated) for documents in (gold, gold + english))
    assert both[0] == spanish[0]
    assert both[1].n_mentions == 2 * spanish[1].n_mentions


def test_a_model_that_finds_nothing_cannot_be_calibrated(tagger: Tagger) -> None:
    with pytest.raises(ConfigError, match="no mention found in 1 documents that annotate them: expected some"):
        calibrate(tagger, [Document("a", "es", "")], BOTH)
