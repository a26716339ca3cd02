"""Cut a long run of tokens into overlapping windows, and say which copy of a token counts.

Contract
- The windows of one document are equal in length within one token, so that none is a stub with no context.
- Neighbours overlap by at least `overlap_tokens`.
- Each token is *kept* in exactly one window: the one in which it is most central (the middle of the overlap is
  the border). Training, evaluation and Spark cut with this one function.
"""

from __future__ import annotations

from dataclasses import dataclass

from cardio_ner.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens `[start, end)` of a document are read; of them `[keep_start, keep_end)` are kept."""

    start: int
    end: int
    keep_start: int
    keep_end: int


def check_window(window_tokens: int, overlap_tokens: int) -> None:
    """Raise ConfigError unless windows of that size can advance (`0 <= overlap_tokens < window_tokens`)."""
    if not 0 <= overlap_tokens < window_tokens:
        raise ConfigError(
            f"windows of {window_tokens} tokens with {overlap_tokens} of overlap never advance: "
            "expected 0 <= overlap_tokens < window_tokens"
        )


def cut_windows(n_tokens: int, *, window_tokens: int, overlap_tokens: int) -> list[Window]:
    """Windows over `n_tokens` tokens (special tokens not counted), in order; none for an empty text."""
    check_window(window_tokens, overlap_tokens)
    if n_tokens == 0:
        return []
    stride = window_tokens - overlap_tokens
    count = max(1, -(-(n_tokens - overlap_tokens) // stride))
    length = -(-(n_tokens + (count - 1) * overlap_tokens) // count)
    starts = [(i * (n_tokens - length)) // max(1, count - 1) for i in range(count)]
    borders = [0, *((starts[i] + starts[i - 1] + length + 1) // 2 for i in range(1, count)), n_tokens]
    return [Window(start, start + length, borders[i], borders[i + 1]) for i, start in enumerate(starts)]
