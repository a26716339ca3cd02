"""Windows: cover, overlap, most central copy."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardio_ner.errors import ConfigError
from cardio_ner.windows import Window, check_window, cut_windows

sizes = st.integers(2, 40).flatmap(lambda window: st.tuples(st.just(window), st.integers(0, window - 1)))


@settings(max_examples=150, deadline=None)
@given(n_tokens=st.integers(1, 300), size=sizes)
def test_every_token_is_kept_once_in_its_most_central_window(n_tokens: int, size: tuple[int, int]) -> None:
    window_tokens, overlap_tokens = size
    windows = cut_windows(n_tokens, window_tokens=window_tokens, overlap_tokens=overlap_tokens)
    kept = [(token, w) for w in windows for token in range(w.keep_start, w.keep_end)]
    assert [token for token, _ in kept] == list(range(n_tokens))
    for token, window in kept:
        around = [w for w in windows if w.start <= token < w.end]
        assert window in around

        def off_centre(w: Window, token: int = token) -> int:
            return abs(2 * token + 1 - w.start - w.end)

        assert off_centre(window) == min(map(off_centre, around))


@settings(max_examples=150, deadline=None)
@given(n_tokens=st.integers(1, 300), size=sizes)
def test_windows_fit_overlap_enough_and_leave_no_stub(n_tokens: int, size: tuple[int, int]) -> None:
    window_tokens, overlap_tokens = size
    windows = cut_windows(n_tokens, window_tokens=window_tokens, overlap_tokens=overlap_tokens)
    lengths = [w.end - w.start for w in windows]
    assert max(lengths) <= window_tokens
    assert max(lengths) - min(lengths) <= 1
    assert windows[0].start == 0
    assert windows[-1].end == n_tokens
    for left, right in pairwise(windows):
        assert left.start < right.start
        assert left.end - right.start >= overlap_tokens


@settings(max_examples=100, deadline=None)
@given(n_tokens=st.integers(1, 300), size=sizes)
def test_there_are_no_more_windows_than_needed(n_tokens: int, size: tuple[int, int]) -> None:
    window_tokens, overlap_tokens = size
    count = len(cut_windows(n_tokens, window_tokens=window_tokens, overlap_tokens=overlap_tokens))
    reach_of_one_fewer = (count - 1) * window_tokens - max(0, count - 2) * overlap_tokens
    assert count == 1 or reach_of_one_fewer < n_tokens


def test_an_empty_text_has_no_window() -> None:
    assert cut_windows(0, window_tokens=8, overlap_tokens=2) == []


def test_a_text_as_long_as_the_window_is_one_window() -> None:
    assert cut_windows(8, window_tokens=8, overlap_tokens=2) == [Window(0, 8, 0, 8)]


def test_the_border_is_the_middle_of_the_overlap() -> None:
    assert cut_windows(14, window_tokens=8, overlap_tokens=2) == [Window(0, 8, 0, 7), Window(6, 14, 7, 14)]


@pytest.mark.parametrize(("window_tokens", "overlap_tokens"), [(8, 8), (8, 9), (8, -1), (0, 0)])
def test_windows_that_never_advance_are_refused(window_tokens: int, overlap_tokens: int) -> None:
    with pytest.raises(ConfigError, match=f"windows of {window_tokens} tokens with {overlap_tokens}"):
        check_window(window_tokens, overlap_tokens)
    with pytest.raises(ConfigError, match="never advance"):
        cut_windows(0, window_tokens=window_tokens, overlap_tokens=overlap_tokens)
