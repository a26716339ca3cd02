"""Scores that mean what they say: of mentions scored 0.9, nine in ten are right.

Contract
- Temperature scaling (C. Guo et al., "On calibration of modern neural networks", ICML 2017, arXiv 1706.04599), one
  temperature per label group, the one of least negative log-likelihood of "this mention is right", strictly.
- Expected calibration error (ECE): over ten equal bins of the score, the mean distance between score and share of right
  mentions, weighted by mentions. That after scaling is measured across halves of the documents: each half with
  the temperature that the other gave. What is kept is the temperature of all.
- Documents that the model has learnt would say nothing: it is sure of them. Nor do those of a language in which nobody
  looked for all of a group's types: what is found there may be right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cardio_ner.document import Document
from cardio_ner.errors import ConfigError
from cardio_ner.tagger import Tagger
from cardio_ner.tags import Floats
from cardio_ner.word_table import Tokens

TEMPERATURES = np.round(np.geomspace(0.5, 5.0, 47), 3)
N_BINS = 10
Read = tuple[Document, Tokens, Floats]
Annotated = Mapping[str, frozenset[str]]
"""By language, the types that were looked for in its documents."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """One label group: its types, mentions found, their mean score and share right, and what a temperature does."""

    entity_types: tuple[str, ...]
    n_mentions: int
    temperature: float
    ece_before: float
    ece_after: float


def calibrate(tagger: Tagger, gold: Sequence[Document], annotated: Annotated) -> list[Calibration]:
    """One Calibration per label group, on documents held out, of the languages that annotate the group.

    Raises ConfigError where a group finds nothing there.
    """
    plain = replace(tagger, temperatures=())
    everything = list(plain.label_probabilities(gold))
    found = []
    for g, group in enumerate(tagger.encoder.scheme.groups):
        read = [one for one in everything if annotated[one[0].language].issuperset(group.entity_types)]
        halves = _halves(read)
        before, right = _scores(plain, read, g, 1.0)
        if not len(before):
            raise ConfigError(
                f"{'+'.join(group.entity_types)}: no mention found in {len(read)} documents that annotate them: "
                "expected some"
            )
        crossed = [_scores(plain, half, g, _fit(plain, other, g)) for half, other in (halves, halves[::-1])]
        after = [np.concatenate(part) for part in zip(*crossed, strict=True)]
        error = expected_calibration_error(before, right), expected_calibration_error(*after)
        found.append(Calibration(group.entity_types, len(before), _fit(plain, read, g), *error))
    return found


def _halves(read: Sequence[Read]) -> tuple[list[Read], list[Read]]:
    """Every other document by its doc_id, so that a document and its translations are in one half."""
    places = {doc_id: n for n, doc_id in enumerate(dict.fromkeys(document.doc_id for document, *_ in read))}
    return [one for one in read if places[one[0].doc_id] % 2 == 0], [one for one in read if places[one[0].doc_id] % 2]


def expected_calibration_error(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """`scores` and `right` [mentions] → a distance in [0, 1]; 0 for no mention."""
    bins = np.minimum((scores * N_BINS).astype(int), N_BINS - 1)
    gaps = [abs(scores[bins == b].sum() - right[bins == b].sum()) for b in range(N_BINS)]
    return float(sum(gaps) / max(1, len(scores)))


def _fit(tagger: Tagger, read: Sequence[Read], g: int) -> float:
    """The temperature of least negative log-likelihood; 1 where there is no mention."""
    losses = [_loss(*_scores(tagger, read, g, float(temperature))) for temperature in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))]) if np.isfinite(losses).all() else 1.0


def _loss(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    probability = np.clip(np.where(right, scores, 1 - scores), 1e-6, 1.0)
    return float(-np.log(probability).mean()) if len(scores) else np.inf


def _scores(
    tagger: Tagger, read: Sequence[Read], g: int, temperature: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Score of each mention of the group, and whether gold has it."""
    groups = tagger.encoder.scheme.groups
    tempered = replace(tagger, temperatures=tuple(temperature if g == other else 1.0 for other in range(len(groups))))
    if not read:
        return np.zeros(0), np.zeros(0, dtype=bool)
    pairs = [
        (span.score or 0.0, span in gold)
        for (document, *_), spans in zip(read, tempered.spans(list(read)), strict=True)
        for gold in [set(document.spans)]
        for span in spans
        if span.entity_type in groups[g].entity_types
    ]
    return np.array([score for score, _ in pairs]), np.array([hit for _, hit in pairs], dtype=bool)
