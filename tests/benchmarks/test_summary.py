"""From the rounds of a part to its rates, its goals and its page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from comparison.figures import Spread
from comparison.pages import draw, markdown
from comparison.summary import goals, lines


def contender(name: str, child: str, variant: str, seconds: list[float], windows: int | None = None) -> dict[str, Any]:
    rounds = [{"seconds": each, "window_tokens": windows, "others_cpu": 0.01} for each in seconds]
    return {"name": name, "child": child, "variant": variant, "rounds": rounds}


PART: dict[str, Any] = {
    "name": "A checkpoint",
    "corpus": {"name": "notes", "documents": 3, "words": 600, "tokens": 900, "window_tokens": 1200},
    "window_tokens": 128,
    "overlap_tokens": 32,
    "children": {
        "bare": {
            "startup_seconds": 0.5,
            "dtype": "torch.float32",
            "flops_per_token": 1_100_000_000,
            "linear_flops_per_token": 1_000_000_000,
        },
        "job": {"startup_seconds": 30.0},
    },
    "sweep_seconds": {"recipe": {"fp32": {"1": 4.0, "8": 2.0}}, "eds": {}},
    "contenders": [
        contender("forward, 1x2", "bare", "forward 1x2", [2.0, 2.0], 1200),
        contender("matrices, 1x2", "bare", "matrices 1x2", [1.0, 1.0], 1200),
        contender("forward, 2x1", "bare", "forward 2x1", [1.5, 2.0], 2400),
        contender("matrices, 2x1", "bare", "matrices 2x1", [2.0, 2.0], 2400),
        contender("Tagger.tag", "tagger", "all", [1.0, 1.0], 1200),
        contender("the Spark job", "job", "all", [1.0, 2.0], 1200),
        contender("recipe as written", "recipe", "fp32 x 1", [10.0, 10.0]),
        contender("recipe at its best", "recipe", "fp32 x 8", [4.0, 4.0]),
    ],
    "agreement_with_tagger": {"the Spark job": {"same": 7, "other_ends": 0, "only_ours": 0, "only_theirs": 0}},
}
RESULTS: dict[str, Any] = {
    "date": "2001-02-03",
    "command": "python benchmarks/head_to_head.py",
    "git_commit": "0123456789abcdef",
    "changed_since": False,
    "cores": 2,
    "machine": {"cpu": "A processor", "flags": ["avx2"], "cores": 2, "memory_gib": 8},
    "versions": {"torch": "2.0"},
    "peer_versions": {},
    "not_run": {"bf16": "no such unit"},
    "parts": [PART],
}


def test_rates_are_of_words_for_all_that_tag_and_of_tokens_where_the_tokenizer_is_ours() -> None:
    by_name = {line.name: line for line in lines(PART)}
    written = by_name["recipe as written"]
    assert written.words_per_second == Spread(60, 60, 60)
    assert written.tokens_per_second == Spread(90, 90, 90)
    assert written.window_tokens_per_second is None
    assert written.job_is_faster == Spread(7.5, 5, 10)
    assert by_name["forward, 1x2"].words_per_second is None
    assert by_name["forward, 1x2"].gflops_per_second == Spread(660, 660, 660)
    assert by_name["the Spark job"].window_tokens_per_second == Spread(900, 600, 1200)


def test_goals_are_held_against_the_fastest_layout_and_the_fastest_batch() -> None:
    found = {goal.name: goal.measured for goal in goals(PART)}
    # forward 2x1: 1600 and 1200 window tokens/s of 1.1 GFLOP; matrices 1x2 and 2x1 alike: 1200/s of 1 GFLOP
    assert round(found["bare limit: FLOP/s by the chip's on its matrices"].most, 3) == round(1600 * 1.1 / 1200, 3)
    assert found["Spark job: window tokens/s by the bare limit's"] == Spread(0.625, 0.5, 0.75)
    assert found["Spark job: words/s by the recipe's at its best"] == Spread(3, 2, 4)
    assert not any("EDS" in name or "MiniLM" in name for name in found)


def test_the_page_says_what_was_measured_on_what_and_what_was_not() -> None:
    page = markdown(RESULTS, "picture.png")
    assert "Processor: A processor (avx2), 2 cores, 8 GiB; 2 used" in page
    assert "Not run: bf16: no such unit" in page
    assert (
        "| recipe as written | 10.0 (10.0 to 10.0) | 60 (60 to 60) | 90 (90 to 90) |  |  | 7.50 (5.00 to 10.00) |"
        in page
    )
    assert "| Spark job: words/s by the recipe's as written | ≥ 8 | 7.50 (5.00 to 10.00) | not reached |" in page
    assert "| Spark job: words/s by the recipe's at its best | ≥ 2.5 | 3.00 (2.00 to 4.00) | reached |" in page
    assert "| the Spark job | 7 | 0 | 0 | 0 |" in page


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    draw(RESULTS, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
