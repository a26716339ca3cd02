"""The most probable *legal* BIO paths, exactly, for many documents at once, on the device that has the logits.

Contract
- Input: log-probabilities [T, K] of all units of some documents, end to end. Output, per label group and unit: the tag
  on the document's legal path of highest total log-probability, and a certainty from which a mention's score is taken.
- No document's path depends on the documents beside it.
- NaN is no log-probability: FloatingPointError, for nothing may pass for a text without mentions. (Of impossible tags
  it is -inf.)
- Cost: linear in T. A Python loop, on the CPU, only over the units of the longest stretch whose best single tags are
  not legal already, all such stretches side by side; they are few and short.

Why this is exact: before a unit where every `B-x` is more probable than its `I-x`, a path may be cut. No best path
has `I-x` there, for `B-x` in its place gains and leaves what follows legal, so the stretches left and right of the
cut can be solved apart. (A tie must not cut: the argmax right of it may be the `I-x`.) Within a stretch, a legal
argmax is the best path; else Viterbi (G. D. Forney, "The Viterbi algorithm", Proc. IEEE 61(3), 1973) is run on that
stretch alone.

Shapes: T units of D documents, K labels of the head, K_g of group g, G groups; S stretches with R units in all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from cardio_ner.tags import Floats, Ints, LabelGroup, TagScheme


def decode(
    logp_TK: torch.Tensor, scheme: TagScheme, sizes_D: Sequence[int], temperatures: Sequence[float] = ()
) -> tuple[Ints, Floats]:
    """(tags, certainties), each [G, T], of documents of `sizes_D` units each; a temperature per group, if any.
    Raises FloatingPointError for NaN."""
    sizes = np.array([size for size in sizes_D if size], dtype=np.int64)
    firsts_D = torch.from_numpy(np.cumsum(sizes) - sizes).to(logp_TK.device)
    tags, certainties = [], []
    temperatures = temperatures or (1.0,) * len(scheme.groups)
    for group, columns, temperature in zip(scheme.groups, scheme.slices, temperatures, strict=True):
        tags_T = best_legal_path(logp_TK[:, columns], group, firsts_D)
        certainties.append(unit_certainty(logp_TK[:, columns], tags_T, group, firsts_D, temperature=temperature))
        tags.append(tags_T)
    # Sums of what is 0 at most are NaN where a unit has one. They come with the certainties: no fetch of their own.
    fetched = torch.stack([*certainties, logp_TK.sum(dim=1)]).cpu().numpy()
    if n_lost := int(np.isnan(fetched[-1]).sum()):
        raise FloatingPointError(
            f"{n_lost} of {len(logp_TK)} units have logits that are no numbers: expected numbers; use precision: fp32 "
            "or, where that is no better, another checkpoint"
        )
    return torch.stack(tags).cpu().numpy(), fetched[:-1]


def best_legal_path(logp_TK: torch.Tensor, group: LabelGroup, firsts_D: torch.Tensor) -> torch.Tensor:
    """[T] tags: the most probable legal paths under independent log-probabilities `logp_TK` [T, K_g], one for each
    document; `firsts_D` is where each begins that has any unit, the first at 0."""
    tags_T = logp_TK.argmax(dim=1)
    if len(tags_T) == 0:
        return tags_T
    before_T = tags_T.roll(1)
    before_T[firsts_D] = group.outside
    illegal = (~_on(logp_TK, group.legal)[before_T, tags_T]).nonzero().flatten()
    if len(illegal) == 0:
        return tags_T
    may_cut = (logp_TK[:, _on(logp_TK, group.begin)] > logp_TK[:, _on(logp_TK, group.inside)]).all(dim=1)
    may_cut[firsts_D] = True
    edges = torch.cat([may_cut.nonzero().flatten(), illegal.new_tensor([len(tags_T)])])
    stretches = torch.unique(torch.searchsorted(edges, illegal, right=True) - 1)
    starts_S, lengths_S = edges[stretches], edges[stretches + 1] - edges[stretches]
    borders_S = lengths_S.cumsum(0) - lengths_S
    units_R = torch.arange(int(lengths_S.sum()), device=edges.device)
    units_R += (starts_S - borders_S).repeat_interleave(lengths_S)
    path_R = _viterbi(logp_TK[units_R].cpu().numpy(), lengths_S.cpu().numpy(), group)
    tags_T[units_R] = torch.from_numpy(path_R).to(tags_T.device)
    return tags_T


def _viterbi(logp_RK: Floats, lengths_S: Ints, group: LabelGroup) -> Ints:
    """[R] the best legal path of each stretch, from the state before any mention: unit by unit, the longest stretches
    first, so that those that have a unit t are the first `going_on[t]` of them."""
    order = np.argsort(-lengths_S, kind="stable")
    starts = (np.cumsum(lengths_S) - lengths_S)[order]
    going_on = len(order) - np.searchsorted(np.sort(lengths_S), np.arange(lengths_S.max()), side="right")
    before = np.cumsum(going_on) - going_on
    penalty = np.where(group.legal, 0.0, -np.inf)
    total_SK = logp_RK[starts] + penalty[group.outside]
    came_from = np.empty(logp_RK.shape, dtype=np.int16)
    for t, n in enumerate(going_on.tolist()[1:], start=1):
        step = total_SK[:n, :, None] + penalty
        came_from[before[t] : before[t] + n] = step.argmax(axis=1)
        total_SK[:n] = step.max(axis=1) + logp_RK[starts[:n] + t]
    tag_S = total_SK.argmax(axis=1)
    path_R = np.empty(len(logp_RK), dtype=np.int64)
    for t in range(len(going_on) - 1, 0, -1):
        n = going_on[t]
        path_R[starts[:n] + t] = tag_S[:n]
        tag_S[:n] = came_from[before[t] : before[t] + n][np.arange(n), tag_S[:n]]
    path_R[starts] = tag_S
    return path_R


def unit_certainty(
    logp_TK: torch.Tensor, tags_T: torch.Tensor, group: LabelGroup, firsts_D: torch.Tensor, *, temperature: float = 1.0
) -> torch.Tensor:
    """[T] for each unit of a mention: the probability of its tag and, on the mention's last unit, if that is less,
    the probability that the document's next unit does not continue the mention. 1.0 outside mentions.

    Probabilities are taken of mentions and what follows them alone: nearly all of a text is neither. A temperature
    above 1 makes them less sure, below 1 surer.
    """
    certainty_T = logp_TK.new_ones(len(tags_T))
    units = (tags_T != group.outside).nonzero().flatten()
    certainty_T[units] = _probability(logp_TK[units], tags_T[units], temperature)
    followed = torch.ones_like(tags_T, dtype=torch.bool)
    followed[firsts_D - 1] = False  # the last unit of the document before; of the first, the very last
    units = units[followed[units]]
    goes_on = _on(logp_TK, _inside_of(group))[tags_T[units]]
    ends = tags_T[units + 1] != goes_on
    last, goes_on = units[ends], goes_on[ends]
    stops = 1.0 - _probability(logp_TK[last + 1], goes_on, temperature)
    certainty_T[last] = torch.minimum(certainty_T[last], stops)
    return certainty_T.clamp(0.0, 1.0)


def _inside_of(group: LabelGroup) -> Ints:
    """[K_g] the `I-` label of each label's type; of `O`, itself."""
    inside = np.full(len(group.labels), group.outside)
    inside[group.begin] = inside[group.inside] = group.inside
    return inside


def _probability(logp_UK: torch.Tensor, tags_U: torch.Tensor, temperature: float) -> torch.Tensor:
    """[U] of each unit's tag, at that temperature."""
    tempered = (logp_UK / temperature).log_softmax(dim=1) if temperature != 1 else logp_UK
    return tempered.gather(1, tags_U[:, None]).squeeze(1).exp()


def _on(logp_TK: torch.Tensor, table: np.ndarray) -> torch.Tensor:
    """A small table beside the log-probabilities."""
    return torch.from_numpy(table).to(logp_TK.device)
