"""TagScheme: spans to tags and back."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awkward_texts import awkward_texts
from cardio_ner.document import DISEASE, MEDICATION, Span
from cardio_ner.errors import TagError
from cardio_ner.tags import LabelGroup, TagScheme
from cardio_ner.tokenization import DocumentTokenizer

SCHEMES = (
    TagScheme.of([DISEASE], [MEDICATION]),
    TagScheme.of([DISEASE, MEDICATION]),
    TagScheme((LabelGroup(("I-B", "B-A", "O", "I-A", "B-B")), LabelGroup.of("C"))),
)

STARTS = np.array([0, 5, 10, 15])
ENDS = np.array([4, 9, 14, 19])


def runs_of(draw: st.DrawFn, starts: np.ndarray, ends: np.ndarray) -> list[tuple[int, int]]:
    """Stretches of units that do not touch the same characters, as places in the text."""
    borders = sorted(draw(st.sets(st.integers(0, len(starts)), max_size=8)))
    found: list[tuple[int, int]] = []
    for first, last in pairwise(borders):
        start, end = int(starts[first]), int(ends[last - 1])
        solid = (starts[first:last] < ends[first:last]).all()
        if solid and (not found or found[-1][1] <= start) and draw(st.booleans()):
            found.append((start, end))
    return found


@st.composite
def gold_over(draw: st.DrawFn, scheme: TagScheme, starts: np.ndarray, ends: np.ndarray) -> list[Span]:
    """Unit-aligned mentions that do not overlap within a group, and may overlap across groups."""
    return [
        Span(start, end, draw(st.sampled_from(group.entity_types)))
        for group in scheme.groups
        for start, end in runs_of(draw, starts, ends)
    ]


@st.composite
def units(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Units in order, some touching (a boundary inside a word), some apart."""
    steps = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), max_size=20))
    sizes = np.array(steps, dtype=np.int64).reshape(-1, 2)
    ends = sizes.sum(axis=1).cumsum()
    return ends - sizes[:, 1], ends


@settings(max_examples=150, deadline=None)
@given(data=st.data(), scheme=st.sampled_from(SCHEMES), places=units())
def test_decoding_what_was_encoded_gives_the_spans_back(
    data: st.DataObject, scheme: TagScheme, places: tuple[np.ndarray, np.ndarray]
) -> None:
    starts, ends = places
    spans = data.draw(gold_over(scheme, starts, ends))
    encoded = scheme.encode(spans, starts, ends)
    assert (encoded.n_overlapping, encoded.n_widened, encoded.n_untagged) == (0, 0, 0)
    assert encoded.tags_GT.shape == (len(scheme.groups), len(starts))
    assert scheme.decode(encoded.tags_GT, starts, ends) == sorted(spans)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), scheme=st.sampled_from(SCHEMES), text=awkward_texts)
def test_the_round_trip_holds_on_the_tokens_of_awkward_texts(
    tokenizer: DocumentTokenizer, data: st.DataObject, scheme: TagScheme, text: str
) -> None:
    tokens = tokenizer([text])[0]
    spans = data.draw(gold_over(scheme, tokens.starts, tokens.ends))
    encoded = scheme.encode(spans, tokens.starts, tokens.ends)
    decoded = scheme.decode(encoded.tags_GT, tokens.starts, tokens.ends)
    assert decoded == sorted(spans)
    assert [text[s.start : s.end] for s in decoded] == [text[s.start : s.end] for s in sorted(spans)]


@settings(max_examples=150, deadline=None)
@given(data=st.data(), scheme=st.sampled_from(SCHEMES), places=units())
def test_any_spans_are_either_carried_or_counted(
    data: st.DataObject, scheme: TagScheme, places: tuple[np.ndarray, np.ndarray]
) -> None:
    starts, ends = places
    place = st.tuples(st.integers(0, 60), st.integers(1, 12), st.sampled_from(scheme.entity_types))
    spans = {Span(start, start + length, name) for start, length, name in data.draw(st.lists(place, max_size=8))}
    encoded = scheme.encode(spans, starts, ends)
    decoded = scheme.decode(encoded.tags_GT, starts, ends)
    assert len(decoded) + encoded.n_overlapping + encoded.n_untagged == len(spans)
    assert len(set(decoded) - spans) <= encoded.n_widened


def test_mentions_of_two_groups_may_overlap() -> None:
    scheme = SCHEMES[0]
    spans = [Span(0, 14, DISEASE), Span(10, 14, MEDICATION)]
    encoded = scheme.encode(spans, STARTS, ENDS)
    assert encoded.tags_GT.tolist() == [[1, 2, 2, 0], [0, 0, 1, 0]]
    assert scheme.decode(encoded.tags_GT, STARTS, ENDS) == spans


def test_of_mentions_that_overlap_in_a_group_the_longest_stays_and_the_other_is_counted() -> None:
    scheme = TagScheme.of([DISEASE, MEDICATION])
    encoded = scheme.encode([Span(0, 4, MEDICATION), Span(0, 9, DISEASE), Span(5, 14, DISEASE)], STARTS, ENDS)
    assert scheme.decode(encoded.tags_GT, STARTS, ENDS) == [Span(0, 9, DISEASE)]
    assert encoded.n_overlapping == 2


def test_neighbouring_mentions_of_a_type_stay_two() -> None:
    scheme = TagScheme.of([DISEASE])
    spans = [Span(0, 4, DISEASE), Span(5, 14, DISEASE)]
    encoded = scheme.encode(spans, STARTS, ENDS)
    assert encoded.tags_GT.tolist() == [[1, 1, 2, 0]]
    assert scheme.decode(encoded.tags_GT, STARTS, ENDS) == spans


@pytest.mark.parametrize("span", [Span(1, 4, DISEASE), Span(0, 3, DISEASE), Span(0, 5, DISEASE)])
def test_a_boundary_off_the_units_is_widened_to_them_and_counted(span: Span) -> None:
    scheme = TagScheme.of([DISEASE])
    encoded = scheme.encode([span], STARTS, ENDS)
    assert scheme.decode(encoded.tags_GT, STARTS, ENDS) == [Span(0, 4, DISEASE)]
    assert (encoded.n_widened, encoded.n_overlapping, encoded.n_untagged) == (1, 0, 0)


@pytest.mark.parametrize("span", [Span(4, 5, DISEASE), Span(19, 30, DISEASE)])
def test_a_mention_that_touches_no_unit_is_counted(span: Span) -> None:
    encoded = TagScheme.of([DISEASE]).encode([span], STARTS, ENDS)
    assert encoded.n_untagged == 1
    assert not encoded.tags_GT.any()


def test_a_type_outside_the_scheme_is_ignored() -> None:
    encoded = TagScheme.of([DISEASE]).encode([Span(0, 4, MEDICATION)], STARTS, ENDS)
    assert not encoded.tags_GT.any()
    assert (encoded.n_overlapping, encoded.n_widened, encoded.n_untagged) == (0, 0, 0)


def test_a_text_without_units_has_no_mention() -> None:
    scheme, none = SCHEMES[0], np.array([], dtype=np.int64)
    encoded = scheme.encode([Span(0, 4, DISEASE)], none, none)
    assert encoded.tags_GT.shape == (2, 0)
    assert encoded.n_untagged == 1
    assert scheme.decode(encoded.tags_GT, none, none) == []


@pytest.mark.parametrize("tags", [[2, 0, 0, 0], [1, 0, 2, 0], [0, 1, 4, 0], [3, 2, 0, 0]])
def test_an_inside_tag_that_continues_nothing_is_refused(tags: list[int]) -> None:
    with pytest.raises(TagError, match="continues no mention"):
        TagScheme.of([DISEASE, MEDICATION]).decode(np.array([tags]), STARTS, ENDS)


def test_a_mention_is_as_sure_as_its_least_certain_unit() -> None:
    scores = np.array([[0.9, 0.4, 0.8, 0.1]], dtype=np.float32)
    found = TagScheme.of([DISEASE]).decode(np.array([[1, 2, 1, 0]]), STARTS, ENDS, scores)
    assert [span.score for span in found] == [pytest.approx(0.4), pytest.approx(0.8)]


def test_units_without_characters_make_no_mention() -> None:
    starts, ends = np.array([0, 4, 5]), np.array([4, 4, 9])
    assert TagScheme.of([DISEASE]).decode(np.array([[0, 1, 0]]), starts, ends) == []


@pytest.mark.parametrize(
    "labels",
    [
        ("B-A", "I-A"),
        ("O", "B-A"),
        ("O", "I-A"),
        ("O",),
        (),
        ("O", "O", "B-A", "I-A"),
        ("O", "B-A", "I-A", "B-A"),
        ("O", "B-A", "I-A", "S-A"),
        ("LABEL_0", "LABEL_1", "LABEL_2"),
    ],
)
def test_labels_that_are_no_bio_group_are_refused(labels: tuple[str, ...]) -> None:
    with pytest.raises(TagError, match="not one BIO group"):
        LabelGroup(labels)


def test_the_refusal_says_that_other_schemes_are_not_read_and_how_names_are_mended() -> None:
    with pytest.raises(TagError, match=r"IO and IOBES are not read; names such as LABEL_0 are mended by id2label"):
        LabelGroup(("O", "B-A", "I-A", "E-A", "S-A"))


def test_a_group_finds_its_labels_in_any_order() -> None:
    group = LabelGroup(("I-B", "B-A", "O", "I-A", "B-B"))
    assert group.entity_types == ("A", "B")
    assert (group.outside, group.begin.tolist(), group.inside.tolist()) == (2, [1, 4], [3, 0])


def test_inside_follows_its_own_type_alone() -> None:
    group = LabelGroup.of("A", "B")
    allowed = {
        (a, b) for a in group.labels for b in group.labels if group.legal[group.labels.index(a), group.labels.index(b)]
    }
    assert {(a, b) for a, b in allowed if b[0] == "I"} == {
        ("B-A", "I-A"),
        ("I-A", "I-A"),
        ("B-B", "I-B"),
        ("I-B", "I-B"),
    }
    assert {(a, b) for a, b in allowed if b[0] != "I"} == {(a, b) for a in group.labels for b in ("O", "B-A", "B-B")}


@pytest.mark.parametrize("groups", [(["A"], ["A"]), (["A", "A"],), ()])
def test_a_type_named_twice_or_no_type_is_refused(groups: tuple[list[str], ...]) -> None:
    with pytest.raises(TagError):
        TagScheme.of(*groups)


def test_the_head_of_several_groups_has_each_label_once() -> None:
    scheme = TagScheme.of([DISEASE], ["A", "B"])
    assert scheme.head_labels == ("O:DISEASE", "B-DISEASE", "I-DISEASE", "O:A+B", "B-A", "I-A", "B-B", "I-B")
    assert scheme.slices == (slice(0, 3), slice(3, 8))
    assert scheme.n_labels == 8


def test_the_head_of_one_group_is_an_ordinary_model() -> None:
    assert TagScheme.of([DISEASE]).head_labels == ("O", "B-DISEASE", "I-DISEASE")
