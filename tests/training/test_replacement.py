"""Mentions make way for others of their kind, and nothing else moves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cardio_ner.document import DISEASE, MEDICATION
from cardio_ner.tags import TagScheme
from cardio_training.dataset import IGNORED, Example
from cardio_training.replacement import MentionReplacer, Place, replaceable
from tiny_models import TWO_GROUPS

O, B, I = 0, 1, 2  # noqa: E741  each group's labels


def example(diseases: Sequence[int], medications: Sequence[int] | None = None, first_id: int = 100) -> Example:
    """Ids that count up, each a word."""
    tags = np.array([diseases, medications or [O] * len(diseases)])
    return Example(np.arange(first_id, first_id + len(diseases), dtype=np.int32), tags, tags[0] != I, "es")


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def replacer(examples: Sequence[Example], share: float = 1.0, longest: int = 126) -> MentionReplacer:
    return MentionReplacer.of(examples, TWO_GROUPS, share=share, longest=longest)


def mentions(found: Example, scheme: TagScheme = TWO_GROUPS) -> list[tuple[str, tuple[int, ...]]]:
    places = replaceable(found, scheme)
    return [(place.entity_type, tuple(found.ids[place.start : place.end].tolist())) for place in places]


def test_whole_mentions_alone_that_no_other_group_touches() -> None:
    window = example([I, O, B, I, O, B, B, I, I, O, B, I], [O, B, O, O, O, O, B, O, O, O, O, O])
    assert list(replaceable(window, TWO_GROUPS)) == [
        Place(1, 2, 1, MEDICATION),
        Place(2, 4, 0, DISEASE),
        Place(5, 6, 0, DISEASE),
    ]  # the first I goes on from the window before, the last mention may go on, and one has a medication in it


def test_a_mention_makes_way_for_another_with_its_tags_and_words() -> None:
    learnt = example([O, B, O])
    other = example([O, B, I, I, O], first_id=200)
    seen = set()
    for _ in range(3):
        replace = replacer([learnt, other])
        for _ in range(10):
            changed = replace(learnt)
            seen.add(tuple(changed.ids.tolist()))
            if len(changed.ids) == 5:
                assert changed.tags.tolist() == [[O, B, I, I, O], [O] * 5]
                assert changed.begins_word.tolist() == [True, True, False, False, True]
    assert seen == {(100, 101, 102), (100, 201, 202, 203, 102)}
    assert learnt.ids.tolist() == [100, 101, 102]


def test_another_language_or_type_is_never_drawn() -> None:
    italian = Example(
        *(getattr(example([O, B, O], first_id=300), name) for name in ("ids", "tags", "begins_word")), "it"
    )
    medication = example([O, O, O], [O, B, O], first_id=400)
    replace = replacer([example([O, B, O]), italian, medication])
    assert {tuple(replace(italian).ids.tolist()) for _ in range(20)} == {(300, 301, 302)}
    assert {tuple(replace(medication).ids.tolist()) for _ in range(20)} == {(400, 401, 402)}


def test_what_was_not_annotated_stays_unknown() -> None:
    unknown = example([IGNORED] * 3, [O, B, O])
    known = example([O, O, O, O], [O, B, I, O], first_id=200)
    replace = replacer([unknown, known])
    found = [replace(unknown) for _ in range(20)]
    assert any(len(changed.ids) == 4 for changed in found)
    assert all((changed.tags[0] == IGNORED).all() for changed in found)
    assert all((replace(known).tags[0] == O).all() for _ in range(20))


def test_a_window_keeps_within_its_length() -> None:
    learnt, long = example([B, O, O, O]), example([B, *[I] * 9, O], first_id=200)
    replace = replacer([learnt, long], longest=6)
    assert {len(replace(learnt).ids) for _ in range(20)} == {4, 6}


def test_a_share_of_the_mentions_is_replaced() -> None:
    windows = [example([O, B, O], first_id=10 * n) for n in range(1, 300)]
    replace = replacer(windows, share=0.3)
    changed = sum(bool((replace(window).ids != window.ids).any()) for window in windows)
    assert changed / len(windows) == pytest.approx(0.3, abs=0.08)
    assert all(replacer(windows, share=0.0)(window) is window for window in windows)


@given(st.lists(st.sampled_from([O, B, I]), min_size=1, max_size=30), st.integers(0, 2**16))
def test_the_kinds_and_the_rest_of_the_text_stay(tags: list[int], seed: int) -> None:
    legal = [O if tag == I and (at == 0 or tags[at - 1] == O) else tag for at, tag in enumerate(tags)]
    for at in range(1, len(legal)):
        if legal[at] == I and legal[at - 1] == O:
            legal[at] = O
    window, other = example(legal), example([O, B, I, O, B, I, I, O], first_id=500)
    torch.manual_seed(seed)
    replace = MentionReplacer.of([window, other], TWO_GROUPS, share=0.7, longest=1_000)
    changed = replace(window)
    pool = dict.fromkeys(mentions(window) + mentions(other))
    assert [name for name, _ in mentions(changed)] == [name for name, _ in mentions(window)]
    assert set(mentions(changed)) <= set(pool)
    outside = [kept[kept_tags == O].tolist() for kept, kept_tags in ((w.ids, w.tags[0]) for w in (window, changed))]
    assert outside[0] == outside[1]
