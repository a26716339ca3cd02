"""The most probable *legal* BIO path, exactly, and mostly without a loop.

Contract
- Input: log-probabilities [T, K_g] of one group. Output: the legal path of highest total log-probability and,
  per unit, a certainty from which a mention's score is taken.
- Cost: linear in T, and a Python loop only over the few stretches whose best single tags are not legal already.

Why this is exact: before a unit where every `B-x` is more probable than its `I-x`, a path may be cut. No best path
has `I-x` there, for `B-x` in its place gains and leaves what follows legal, so the stretches left and right of the
cut can be solved apart. (A tie must not cut: the argmax right of it may be the `I-x`.) Within a stretch, a legal
argmax is the best path; else Viterbi (G. D. Forney, "The Viterbi algorithm", Proc. IEEE 61(3), 1973) is run on that
stretch alone.
"""

from __future__ import annotations

import numpy as np

from cardio_ner.tags import Floats, Ints, LabelGroup


def best_legal_path(logp_TK: Floats, group: LabelGroup) -> Ints:
    """[T] tags: the most probable legal path under independent log-probabilities `logp_TK` [T, K_g]."""
    tags: Ints = logp_TK.argmax(axis=1)
    if len(tags) == 0:
        return tags
    before = np.concatenate([[group.outside], tags[:-1]])
    illegal = np.flatnonzero(~group.legal[before, tags])
    if len(illegal) == 0:
        return tags
    may_cut = np.asarray((logp_TK[:, group.begin] > logp_TK[:, group.inside]).all(axis=1))
    may_cut[0] = True
    edges = np.append(np.flatnonzero(may_cut), len(tags))
    for stretch in np.unique(np.searchsorted(edges, illegal, side="right") - 1):
        first, last = edges[stretch], edges[stretch + 1]
        tags[first:last] = _viterbi(logp_TK[first:last], group)
    return tags


def _viterbi(logp_TK: Floats, group: LabelGroup) -> Ints:
    """The best legal path of one stretch, from the state before any mention."""
    penalty = np.where(group.legal, 0.0, -np.inf)
    total = logp_TK[0] + penalty[group.outside]
    came_from = np.zeros(logp_TK.shape, dtype=np.int64)
    for t in range(1, len(logp_TK)):
        step = total[:, None] + penalty
        came_from[t] = step.argmax(axis=0)
        total = step.max(axis=0) + logp_TK[t]
    path = np.empty(len(logp_TK), dtype=np.int64)
    path[-1] = total.argmax()
    for t in range(len(path) - 1, 0, -1):
        path[t - 1] = came_from[t, path[t]]
    return path


def tempered(logp_TK: Floats, temperature: float) -> Floats:
    """Log-probabilities divided by a temperature and normalised again: above 1 less sure, below 1 surer."""
    scaled = logp_TK / np.float32(temperature)
    scaled = scaled - scaled.max(axis=1, keepdims=True)
    total: Floats = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
    return total


def unit_certainty(logp_TK: Floats, tags: Ints, group: LabelGroup, *, temperature: float = 1.0) -> Floats:
    """[T] for each unit of a mention: the probability of its tag and, on the mention's last unit, if that is less,
    the probability that the next unit does not continue the mention. 1.0 outside mentions.

    Probabilities are taken of mentions and what follows them alone: nearly all of a text is neither.
    """
    certainty = np.ones(len(tags), dtype=np.float32)
    rows = np.flatnonzero(tags != group.outside)
    certainty[rows] = _probability(logp_TK[rows], temperature)[np.arange(len(rows)), tags[rows]]
    for begin, inside in zip(group.begin, group.inside, strict=True):
        of_type = (tags == begin) | (tags == inside)
        last = np.flatnonzero(of_type[:-1] & (tags[1:] != inside))
        goes_on = _probability(logp_TK[last + 1], temperature)[:, inside]
        certainty[last] = np.minimum(certainty[last], 1.0 - goes_on)
    return np.clip(certainty, 0.0, 1.0)


def _probability(logp_TK: Floats, temperature: float) -> Floats:
    """[T, K]"""
    probability: Floats = np.exp(tempered(logp_TK, temperature) if temperature != 1 else logp_TK)
    return probability
