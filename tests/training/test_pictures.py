"""Pictures of runs: valid, labelled, the same again, and drawn from the numbers given."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pytest
from PIL import Image

from cardio_ner.errors import ConfigError
from cardio_training.comparing import Summary
from cardio_training.curves import Curve, Panel
from cardio_training.pictures import draw_comparison, draw_curves
from svg_files import curves_of, scaled, texts_of

F1 = ((1.0, 40.0), (2.0, 80.0), (3.0, 60.0), (5.0, 90.0))
LOSS = ((0.5, 2.0), (1.0, 1.5), (1.5, 0.25))
PANELS = [
    Panel("epoch", "loss (nats)", (Curve("learnt", LOSS),)),
    Panel("epoch", "strict F1 (%)", (Curve("costs $1$", F1), Curve("it/MEDICATION", LOSS))),
]
ROWS = [
    ("1. old (folds 0, 1; seeds 13)", {"es/DISEASE": Summary((70.0, 74.0)), "it/MEDICATION": Summary((90.0, 92.0))}),
    ("2. new (folds 0; seeds 13)", {"es/DISEASE": Summary((71.5,))}),
]


def test_curves_are_drawn_with_title_labels_and_legend_and_names_stand_as_they_are(tmp_path: Path) -> None:
    draw_curves(PANELS, tmp_path / "curves.svg", title="es: fold 0 held out")
    expected = {"es: fold 0 held out", "epoch", "loss (nats)", "strict F1 (%)", "costs $1$", "it/MEDICATION"}
    assert expected <= set(texts_of(tmp_path / "curves.svg"))


def test_every_point_is_drawn_where_its_numbers_say(tmp_path: Path) -> None:
    draw_curves(PANELS, tmp_path / "curves.svg", title="es")
    drawn = curves_of(tmp_path / "curves.svg")
    for curve in (LOSS, F1):
        assert scaled(list(curve)) in drawn


def test_the_same_numbers_give_the_same_bytes_whatever_the_callers_settings(tmp_path: Path) -> None:
    draw_curves(PANELS, tmp_path / "a.svg", title="es")
    with matplotlib.rc_context({"lines.linewidth": 9.0, "svg.hashsalt": "other"}):
        before = dict(matplotlib.rcParams)
        draw_curves(PANELS, tmp_path / "b.svg", title="es")
        assert dict(matplotlib.rcParams) == before
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_run_that_learnt_nothing_has_no_picture(tmp_path: Path) -> None:
    draw_curves([], tmp_path / "curves.svg", title="es")
    assert list(tmp_path.iterdir()) == []


def test_a_comparison_names_tasks_and_rows(tmp_path: Path) -> None:
    draw_comparison(ROWS, tmp_path / "runs.svg")
    expected = {"task (language/type)", "strict F1 (%)", "es/DISEASE", "it/MEDICATION", "runs", *(n for n, _ in ROWS)}
    assert expected <= set(texts_of(tmp_path / "runs.svg"))


def test_a_comparison_can_be_a_png(tmp_path: Path) -> None:
    draw_comparison(ROWS, tmp_path / "runs.png")
    with Image.open(tmp_path / "runs.png") as picture:
        picture.verify()
        assert (picture.format, picture.width) == ("PNG", 900)


@pytest.mark.parametrize("name", ["runs.txt", "runs", "absent/runs.svg"])
def test_a_name_that_is_no_pictures_or_lies_nowhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name}: expected a file in a folder that is there, .*\.svg or \.png"):
        draw_comparison(ROWS, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
