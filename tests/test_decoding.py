"""The best legal path, against every path there is."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cardio_ner.decoding import best_legal_path, decode, unit_certainty
from cardio_ner.tags import Floats, Ints, LabelGroup, TagScheme

GROUPS = (
    LabelGroup.of("A"),
    LabelGroup(("I-A", "O", "B-A")),
    LabelGroup.of("A", "B"),
    LabelGroup(("I-B", "B-A", "O", "I-A", "B-B")),
)


def path_of(logp: Floats, group: LabelGroup) -> Ints:
    """The path of one document."""
    path: Ints = best_legal_path(torch.from_numpy(logp), group, torch.zeros(min(1, len(logp)), dtype=int)).numpy()
    return path


def certainty_of(logp: Floats, path: Ints, group: LabelGroup) -> Floats:
    """The certainties of one document."""
    firsts = torch.zeros(min(1, len(logp)), dtype=int)
    certainty: Floats = unit_certainty(torch.from_numpy(logp), torch.from_numpy(path), group, firsts).numpy()
    return certainty


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
    path = path_of(logp, group)
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
    path = path_of(logp, group)
    assert is_legal(tuple(group.labels[k] for k in path))
    assert logp[np.arange(120), path].sum() == pytest.approx(max(total.values()), abs=1e-6)


def is_legal_step(before: str, now: str) -> bool:
    return not now.startswith("I-") or before[2:] == now[2:]


def test_of_long_paths_in_float32_a_thousandth_still_decides() -> None:
    """The sum of so many log-probabilities is a number whose neighbours in float32 are further apart than that."""
    group = LabelGroup.of("A")
    logp = np.full((70_000, 3), -0.6, dtype=np.float32)
    logp[:, group.begin] = -0.7
    logp[0] = [-2.0, -1.0, -0.1]  # nothing legal begins with an inside: the whole is one stretch
    logp[1:, group.outside] = -0.601
    path = path_of(logp, group)
    assert path[0] == 1
    assert (path[1:] == 2).all()
    logp[-1, group.outside] = -0.599
    assert path_of(logp, group)[-2:].tolist() == [2, 0]


def test_a_legal_argmax_is_left_alone() -> None:
    logp = np.log(np.array([[0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.8, 0.1, 0.1]], dtype=np.float32))
    assert path_of(logp, LabelGroup.of("A")).tolist() == [1, 2, 0]


def test_an_orphan_inside_is_mended_where_it_costs_least() -> None:
    unsure_before = np.log(np.array([[0.5, 0.4, 0.1], [0.05, 0.05, 0.9]], dtype=np.float32))
    sure_before = np.log(np.array([[0.98, 0.01, 0.01], [0.3, 0.2, 0.5]], dtype=np.float32))
    assert path_of(unsure_before, LabelGroup.of("A")).tolist() == [1, 2]
    assert path_of(sure_before, LabelGroup.of("A")).tolist() == [0, 0]


def test_a_tie_of_begin_and_inside_leaves_the_path_legal() -> None:
    """bfloat16 makes ties common; the argmax of a tie is whichever label stands first."""
    path = path_of(np.log(np.full((4, 3), 1 / 3, dtype=np.float32)), LabelGroup(("I-A", "O", "B-A")))
    assert is_legal(tuple(("I-A", "O", "B-A")[k] for k in path))


def test_no_units_have_an_empty_path() -> None:
    logp = np.empty((0, 3), dtype=np.float32)
    path = path_of(logp, LabelGroup.of("A"))
    assert path.tolist() == []
    assert certainty_of(logp, path, LabelGroup.of("A")).tolist() == []


def test_the_input_is_not_changed() -> None:
    logp = np.log(np.array([[0.5, 0.4, 0.1], [0.05, 0.05, 0.9]], dtype=np.float32))
    before = logp.copy()
    path_of(logp, LabelGroup.of("A"))
    assert (logp == before).all()


@settings(max_examples=100, deadline=None)
@given(problem=problems(max_units=12))
def test_certainty_is_the_tags_probability_and_at_the_end_also_that_of_stopping(
    problem: tuple[LabelGroup, Floats],
) -> None:
    group, logp = problem
    path = path_of(logp, group)
    expected = []
    for t, tag in enumerate(path):
        name = group.labels[tag]
        value = 1.0 if name == "O" else float(np.exp(logp[t, tag]))
        if name != "O" and t + 1 < len(path) and group.labels[path[t + 1]] != f"I-{name[2:]}":
            value = min(value, 1 - float(np.exp(logp[t + 1, group.labels.index(f"I-{name[2:]}")])))
        expected.append(value)
    certainty = certainty_of(logp, path, group)
    assert certainty == pytest.approx(expected, abs=1e-5)
    assert ((certainty >= 0) & (certainty <= 1)).all()


def test_a_mention_that_may_go_on_is_less_certain() -> None:
    logp = np.log(np.array([[0.05, 0.9, 0.05], [0.6, 0.001, 0.399]], dtype=np.float32))
    assert certainty_of(logp, np.array([1, 0]), LabelGroup.of("A")) == pytest.approx([0.601, 1.0], abs=1e-4)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    sizes=st.lists(st.sampled_from([0, 1, 2, 7, 40]), max_size=8),
    temperatures=st.sampled_from([(), (1.0, 2.5)]),
)
def test_documents_end_to_end_get_what_each_gets_alone(
    seed: int, sizes: list[int], temperatures: tuple[float, ...]
) -> None:
    scheme = TagScheme((GROUPS[3], LabelGroup.of("C")))
    logits = np.random.default_rng(seed).normal(scale=2, size=(sum(sizes), scheme.n_labels)).astype(np.float32)
    logp = torch.cat([torch.from_numpy(logits[:, columns]).log_softmax(1) for columns in scheme.slices], dim=1)
    tags, scores = decode(logp, scheme, sizes, temperatures)
    alone = [decode(its, scheme, [len(its)], temperatures) for its in logp.split(sizes)] if sizes else []
    assert tags.shape == scores.shape == (2, sum(sizes))
    assert tags.tolist() == np.concatenate([np.empty((2, 0), int), *(its for its, _ in alone)], axis=1).tolist()
    assert scores == pytest.approx(np.concatenate([np.empty((2, 0)), *(its for _, its in alone)], axis=1), abs=1e-6)


def test_a_document_that_begins_with_an_inside_does_not_go_on_with_the_mention_before_it() -> None:
    """The same units as one document, and as two."""
    scheme = TagScheme.of(["A"])
    logp = torch.tensor([[0.1, 0.8, 0.1], [0.1, 0.2, 0.7]]).log()
    together, _ = decode(logp, scheme, [2])
    apart, scores = decode(logp, scheme, [1, 1])
    assert together.tolist() == [[1, 2]]
    assert apart.tolist() == [[1, 1]]
    assert scores[0] == pytest.approx([0.8, 0.2]), "that the next document's unit may be an inside says nothing"


def test_a_temperature_makes_scores_less_sure() -> None:
    logp = torch.tensor([[0.05, 0.9, 0.05]]).log()
    scheme = TagScheme.of(["A"])
    (_, plain), (_, warm) = decode(logp, scheme, [1]), decode(logp, scheme, [1], (2.0,))
    assert plain[0, 0] == pytest.approx(0.9)
    assert warm[0, 0] == pytest.approx(0.9**0.5 / (0.9**0.5 + 2 * 0.05**0.5))


@pytest.mark.parametrize("place", [(0, 0), (2, 1), (2, 4)])
def test_what_is_no_number_passes_for_no_text_without_mentions(place: tuple[int, int]) -> None:
    scheme = TagScheme.of(["A"], ["B"])
    logits = torch.zeros(3, 6)
    logits[place] = float("nan")
    logp = torch.cat([logits[:, columns].log_softmax(1) for columns in scheme.slices], dim=1)
    with pytest.raises(FloatingPointError, match="1 of 3 units have logits that are no numbers: expected numbers"):
        decode(logp, scheme, [2, 1])


def test_an_impossible_tag_is_none_that_is_no_number() -> None:
    logp = torch.tensor([[0.5, float("-inf"), 0.1], [0.1, 3.0, float("-inf")]]).log_softmax(1)
    tags, _ = decode(logp, TagScheme.of(["A"]), [2])
    assert tags.tolist() == [[0, 1]]
