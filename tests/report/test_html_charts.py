"""The charts' geometry: every number has its bar, to scale, within the picture, and stands in the table."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from cardio_ner.report.html import charts
from cardio_ner.report.html.run import Stretch

BASE = charts.HEIGHT - charts.BOTTOM


def test_bars_are_to_scale_and_stand_on_one_another() -> None:
    drawn = charts.scores({"DISEASE": {19: 30}, "MEDICATION": {10: 10, 19: 10}})
    disease, medication = (next(b for b in drawn.bars if b.kind == k and b.x > 380) for k in ("DISEASE", "MEDICATION"))
    (lower,) = (b for b in drawn.bars if b.x < 380)
    assert disease.height == pytest.approx(3 * medication.height, abs=0.05)
    assert lower.height == medication.height
    assert disease.y + disease.height == pytest.approx(BASE)
    assert medication.y + medication.height == pytest.approx(disease.y, abs=0.02)
    assert disease.label == "0.95–1.00: 30 disease"
    assert drawn.columns == ("score", "disease", "medication")
    assert drawn.rows[19] == ("0.95–1.00", "30", "10")


def test_every_document_is_in_a_bin_and_bins_are_at_most_twenty() -> None:
    small = charts.mentions_per_document({0: 2, 3: 1})
    assert small.rows == (("0", "2"), ("1", "0"), ("2", "0"), ("3", "1"))
    large = charts.mentions_per_document({0: 5, 219: 1, 110: 3})
    assert len(large.rows) <= charts.MOST_BINS
    assert sum(int(number) for _, number in large.rows) == 9
    assert large.rows[-1] == ("209–219", "1")


def test_a_stretch_is_as_wide_as_it_was_long_and_as_high_as_it_was_fast() -> None:
    slow, fast = charts.pace([Stretch(0, 30, 30), Stretch(30, 40, 20)]).bars
    assert (slow.width + charts.GAP) == pytest.approx(3 * (fast.width + charts.GAP), abs=0.05)
    assert fast.height == pytest.approx(2 * slow.height, abs=0.05)
    assert fast.label == "30–40 s: 2.0 documents/s"


@pytest.mark.parametrize("end_s", [0.5, 170.0, 5_000.0, 100_000.0])
def test_the_axes_fit_the_picture_whatever_the_size(end_s: float) -> None:
    drawn = charts.pace([Stretch(0, end_s, 1_234_567)])
    assert 2 <= len(drawn.y_ticks) <= charts.MOST_TICKS + 1
    assert all(charts.TOP <= tick.at <= BASE for tick in drawn.y_ticks)
    assert 2 <= len(drawn.x_ticks) <= charts.MOST_TICKS + 1
    assert all(charts.LEFT <= tick.at <= charts.WIDTH for tick in drawn.x_ticks)
    assert all(bar.y >= charts.TOP and bar.x + bar.width <= charts.WIDTH for bar in drawn.bars)


def test_the_last_label_is_within_the_picture_in_a_narrow_window_too() -> None:
    style = resources.files("cardio_ner.report.html").joinpath("page.css").read_text(encoding="utf-8")
    letters = max(int(size) for size in re.findall(r"\.tick \{[^}]*font-size: (\d+)px", style))
    half_a_digit = 0.56 * letters / 2
    for drawn in (charts.scores({}), charts.mentions_per_document({4_000: 1}), charts.pace([Stretch(0, 100, 1)])):
        last = drawn.x_ticks[-1]
        assert last.at + half_a_digit * len(last.label) <= charts.WIDTH


@pytest.mark.parametrize(
    ("number", "labels"),
    [
        (8_000, ["0", "2,000", "4,000", "6,000", "8,000"]),
        (11_000, ["0", "5k", "10k", "15k"]),
        (1_400_000, ["0", "0.5M", "1M", "1.5M"]),
        (3_999_999_999, ["0", "1G", "2G", "3G", "4G"]),
    ],
)
def test_the_labels_of_an_axis_are_short_enough_for_its_margin(number: int, labels: list[str]) -> None:
    drawn = charts.scores({"DISEASE": {19: number}})
    assert [tick.label for tick in drawn.y_ticks] == labels
    assert all(len(tick.label) <= 5 for tick in drawn.y_ticks)
    assert drawn.rows[19][1] == f"{number:,}"


def test_nothing_to_count_still_makes_axes() -> None:
    for drawn in (charts.mentions_per_document({}), charts.scores({}), charts.pace([])):
        assert not drawn.bars
        assert len(drawn.y_ticks) >= 2
