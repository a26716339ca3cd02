"""The best legal path, against every path there is."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardio_ner.decoding import best_legal_path, unit_certainty
from cardio_ner.tags import Floats, LabelGroup

GROUPS = (
    LabelGroup.of("A"),
    LabelGroup(("I-A", "O", "B-A")),
    LabelGroup.of("A", "B"),
    LabelGroup(("I-B", "B-A", "O", "I-A", "B-B")),
)


def is_legal(labels: tuple[str, ...]) -> bool:
    """BIO said without the code under test."""
    return all(not now.startswith("I-") or before[2:] == now[2:] for before, now in pairwise(("O", *labels)))


@st.composite
def problems(draw: st.DrawFn, max_units: int = 5) -> tuple[LabelGroup, Floats]:
    """A group and log-probabilities; whole-number logits, so that ties occur."""
    group = draw(st.sampled_from(GROUPS))
    n_units = draw(st.integers(1, max_units))
    row = st.lists(st.integers(-4, 4), min_size=len(group.labels), max_size=len(group.labels))
    logits = np.array(draw(st.lists(row, min_size=n_units, max_size=n_units)), dtype=np.float32)
    return group, logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


@settings(max_examples=150, deadline=None)
@given(problem=problems())
def test_the_path_is_legal_and_no_legal_path_is_more_probable(problem: tuple[LabelGroup, Floats]) -> None:
    group, logp = problem
    path = best_legal_path(logp, group)
    rows = np.arange(len(logp))
    every = (
        p for p in product(range(len(group.labels)), repeat=len(logp)) if is_legal(tuple(group.labels[k] for k in p))
    )
    best = max(float(logp[rows, list(p)].sum()) for p in every)
    assert is_legal(tuple(group.labels[k] for k in path))
    assert float(logp[rows, path].sum()) == pytest.approx(best, abs=1e-4)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), group=st.sampled_from(GROUPS))
def test_cutting_into_stretches_finds_what_one_dynamic_programme_finds(seed: int, group: LabelGroup) -> None:
    logits = np.random.default_rng(seed).normal(scale=2, size=(120, len(group.labels)))
    logp = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    total = {k: logp[0, k] for k, label in enumerate(group.labels) if not label.startswith("I-")}
    for row in logp[1:]:
        total = {
            k: max(v for j, v in total.items() if is_legal_step(group.labels[j], label)) + row[k]
            for k, label in enumerate(group.labels)
            if any(is_legal_step(group.labels[j], label) for j in total)
        }
    path = best_legal_path(logp, group)
    assert is_legal(tuple(group.labels[k] for k in path))
    assert logp[np.arange(120), path].sum() == pytest.approx(max(total.values()), abs=1e-6)


def is_legal_step(before: str, now: str) -> bool:
    return not now.startswith("I-") or before[2:] == now[2:]


def test_a_legal_argmax_is_left_alone() -> None:
    logp = np.log(np.array([[0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.8, 0.1, 0.1]], dtype=np.float32))
    assert best_legal_path(logp, LabelGroup.of("A")).tolist() == [1, 2, 0]


def test_an_orphan_inside_is_mended_where_it_costs_least() -> None:
    unsure_before = np.log(np.array([[0.5, 0.4, 0.1], [0.05, 0.05, 0.9]], dtype=np.float32))
    sure_before = np.log(np.array([[0.98, 0.01, 0.01], [0.3, 0.2, 0.5]], dtype=np.float32))
    assert best_legal_path(unsure_before, LabelGroup.of("A")).tolist() == [1, 2]
    assert best_legal_path(sure_before, LabelGroup.of("A")).tolist() == [0, 0]


def test_a_tie_of_begin_and_inside_leaves_the_path_legal() -> None:
    """bfloat16 makes ties common; the argmax of a tie is whichever label stands first."""
    path = best_legal_path(np.log(np.full((4, 3), 1 / 3, dtype=np.float32)), LabelGroup(("I-A", "O", "B-A")))
    assert is_legal(tuple(("I-A", "O", "B-A")[k] for k in path))


def test_no_units_have_an_empty_path() -> None:
    logp = np.empty((0, 3), dtype=np.float32)
    path = best_legal_path(logp, LabelGroup.of("A"))
    assert path.tolist() == []
    assert unit_certainty(logp, path, LabelGroup.of("A")).tolist() == []


def test_the_input_is_not_changed() -> None:
    logp = np.log(np.array([[0.5, 0.4, 0.1], [0.05, 0.05, 0.9]], dtype=np.float32))
    before = logp.copy()
    best_legal_path(logp, LabelGroup.of("A"))
    assert (logp == before).all()


@settings(max_examples=100, deadline=None)
@given(problem=problems(max_units=12))
def test_certainty_is_the_tags_probability_and_at_the_end_also_that_of_stopping(
    problem: tuple[LabelGroup, Floats],
) -> None:
    group, logp = problem
    path = best_legal_path(logp, group)
    expected = []
    for t, tag in enumerate(path):
        name = group.labels[tag]
        value = 1.0 if name == "O" else float(np.exp(logp[t, tag]))
        if name != "O" and t + 1 < len(path) and group.labels[path[t + 1]] != f"I-{name[2:]}":
            value = min(value, 1 - float(np.exp(logp[t + 1, group.labels.index(f"I-{name[2:]}")])))
        expected.append(value)
    certainty = unit_certainty(logp, path, group)
    assert certainty == pytest.approx(expected, abs=1e-5)
    assert ((certainty >= 0) & (certainty <= 1)).all()


def test_a_mention_that_may_go_on_is_less_certain() -> None:
    logp = np.log(np.array([[0.05, 0.9, 0.05], [0.6, 0.001, 0.399]], dtype=np.float32))
    assert unit_certainty(logp, np.array([1, 0]), LabelGroup.of("A")) == pytest.approx([0.601, 1.0], abs=1e-4)
