"""Medians, ratios round by round, and mentions that agree."""

from __future__ import annotations

from candidates.protocol import Found
from comparison.figures import Agreement, Spread, rates, times_faster


def test_a_spread_is_the_median_and_what_it_lies_between() -> None:
    assert Spread.of([3.0, 1.0, 8.0]) == Spread(3.0, 1.0, 8.0)


def test_a_rate_is_least_where_the_seconds_are_most() -> None:
    assert rates(120, [2.0, 3.0, 4.0]) == Spread(40.0, 30.0, 60.0)


def test_a_ratio_is_taken_within_each_round_and_not_of_the_medians() -> None:
    ours, theirs = [1.0, 2.0, 10.0], [9.0, 4.0, 30.0]
    assert times_faster(ours, theirs) == Spread(3.0, 2.0, 9.0)  # the medians' ratio would be 4.5


def test_agreement_counts_same_moved_and_lone_mentions() -> None:
    ours = {Found("a", 0, 8, "M"), Found("a", 20, 30, "M"), Found("a", 40, 44, "M"), Found("b", 0, 8, "M")}
    theirs = {Found("a", 0, 8, "M"), Found("a", 20, 24, "M"), Found("a", 26, 30, "M"), Found("b", 8, 9, "M")}
    assert Agreement.of(ours, theirs) == Agreement(same=1, other_ends=1, only_ours=2, only_theirs=1)


def test_mentions_of_other_documents_never_overlap() -> None:
    agreement = Agreement.of({Found("a", 0, 8, "M")}, {Found("b", 0, 9, "M")})
    assert agreement == Agreement(same=0, other_ends=0, only_ours=1, only_theirs=1)
