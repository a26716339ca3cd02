"""Scores of a checkpoint: what the Tagger finds against gold, by three rules; and on real data, what the card says."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from cardio_ner.checkpoint import Checkpoint, packaged_model
from cardio_ner.corpus.multicardioner import DATA_VARIABLE, read_multicardioner
from cardio_ner.document import DISEASE, MEDICATION, Document, Span
from cardio_ner.encoder import Encoder
from cardio_ner.tagger import Tagger
from cardio_training.provenance import unseen_fold
from cardio_training.scoring import as_table, score_documents


@dataclass
class Finds:
    """Stands in for a Tagger: finds the spans it is told to."""

    encoder: Encoder
    found: dict[str, list[Span]]

    def tag(self, documents: Iterable[Document]) -> Iterator[Document]:
        for document in documents:
            yield document.with_spans(self.found[document.doc_id])


def test_strict_official_and_seqeval_scores_follow_their_rules(two_group_checkpoint: Path) -> None:
    encoder = Encoder.load(Checkpoint.open(two_group_checkpoint), device="cpu")
    right, wrong = Span(0, 8, MEDICATION), Span(9, 11, MEDICATION)
    gold = [Document("a", "es", "aspirina mg").with_spans([right]), Document("b", "es", "aspirina mg")]
    tagger = Finds(encoder, {"a": [right], "b": [wrong]})
    medication, disease = score_documents(tagger, gold, list(tagger.tag(gold)), [MEDICATION, DISEASE])  # type: ignore[arg-type]
    assert (medication.precision, medication.recall) == (0.5, 1.0)
    assert medication.f1 == medication.seqeval_f1 == pytest.approx(2 / 3)
    assert medication.official_f1 == 1.0
    assert (disease.gold, disease.predicted, disease.f1) == (0, 0, 1.0)
    assert (disease.official_f1, disease.seqeval_f1) == (1.0, 1.0)
    console = Console(record=True, width=120, quiet=False)
    with console.capture() as shown:
        console.print(as_table([medication, disease], "title"))
    assert "66.67" in shown.get()


@pytest.mark.parametrize("language", ["es", "en", "it"])
def test_a_shipped_checkpoint_knows_the_fold_that_it_learnt_better_than_its_twin_did(language: str) -> None:
    if not os.environ.get(DATA_VARIABLE):
        pytest.skip(f"{DATA_VARIABLE} is not set: no MultiCardioNER to score on")
    checkpoint = Checkpoint.open(packaged_model(language))
    assert unseen_fold([checkpoint.manifest]) is None  # else its own scores could be held to what its card says
    said = checkpoint.manifest.dev_scores
    gold = read_multicardioner(Path(os.environ[DATA_VARIABLE]), language).fold(said["held_out_fold"])[1]
    tagger = Tagger.load(checkpoint)
    scores = score_documents(tagger, gold, list(tagger.tag(gold)), checkpoint.scheme.entity_types)
    assert {f"{language}/{score.entity_type}" for score in scores} == set(said["strict_f1"])
    for score in scores:
        assert said["strict_f1"][f"{language}/{score.entity_type}"] < score.f1 < 1
