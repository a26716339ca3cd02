"""Runs beside each other, from real checkpoint folders and their manifests."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from cardio_ner.checkpoint import MANIFEST
from cardio_ner.document import Document
from cardio_ner.errors import ConfigError
from cardio_ner.tagger import Tagger
from cardio_training.comparing import as_comparison, as_picture, group_runs, words_per_second
from cardio_training.merging import merge
from compare import main
from svg_files import texts_of

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def finished(two_group_checkpoint: Path, tmp_path: Path) -> Any:
    """Makes the folder of a finished run."""

    def make(name: str, f1: float | None, **recipe: Any) -> Path:
        folder = tmp_path / name
        checkpoint = Path(shutil.copytree(two_group_checkpoint, folder / "checkpoint"))
        manifest = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))
        whole = {"output": name, "base_encoder": "old", "held_out_fold": 0, "seed": 13, "epochs": 4} | recipe
        scores = {} if f1 is None else {"strict_f1": {"es/DISEASE": f1}}
        told = {"held_out_fold": whole["held_out_fold"]}
        manifest |= {"recipe": whole, "dev_scores": scores, "training_data": told}
        (checkpoint / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
        return folder

    return make


def test_runs_that_differ_in_fold_or_seed_alone_are_one_row_with_mean_and_deviation(finished: Any) -> None:
    folds = [finished("a", 0.5), finished("b", 0.7, held_out_fold=1, report_to=["tensorboard"])]
    folds.append(finished("c", 0.9, held_out_fold=2, seed=14))
    other = finished("d", 0.25, base_encoder="new")
    rows = group_runs([folds[0], other / "checkpoint", *folds[1:]])
    assert [(row.base_encoder, row.folds, row.seeds) for row in rows] == [
        ("old", "0, 1, 2", "13, 14"),
        ("new", "0", "13"),
    ]
    console = Console(record=True, width=160, quiet=False)
    with console.capture() as shown:
        console.print(as_comparison(rows, [1234.5, 10.0]))
    assert "70.00 ± 20.00" in shown.get()
    assert "25.00" in shown.get()
    assert "1,234" in shown.get()
    drawn = {name: scores["es/DISEASE"] for name, scores in as_picture(rows)}
    assert list(drawn) == ["1. old (folds 0, 1, 2; seeds 13, 14)", "2. new (folds 0; seeds 13)"]
    several, one = drawn.values()
    assert several.values == pytest.approx((50, 70, 90))
    assert (several.mean, several.spread) == pytest.approx((70, 20))
    assert (one.values, one.mean, one.spread) == ((25.0,), 25.0, None)


def test_merged_runs_make_a_row_with_the_seeds_of_their_parts(finished: Any, tmp_path: Path) -> None:
    plain, *parts = (finished(name, 0.5, seed=seed) for seed, name in enumerate("abcde"))
    merged = [merge(parts[at : at + 2], tmp_path / f"merged{at}") for at in (0, 2)]
    for folder, fold in merged:
        assert fold == 0
        file = folder / MANIFEST
        manifest = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps(manifest | {"dev_scores": {"strict_f1": {"es/DISEASE": 0.75}}}), encoding="utf-8")
    rows = group_runs([plain, *(folder.parent for folder, _ in merged)])
    assert [(row.folds, row.seeds, row.f1["es/DISEASE"]) for row in rows] == [
        ("0", "0", (0.5,)),
        ("0", "1, 2, 3, 4", (0.75, 0.75)),
    ]


def test_runs_of_other_teachers_are_rows_of_their_own_but_for_the_fold_in_their_teachers_names(finished: Any) -> None:
    named = "runs/{}-{}/checkpoint"
    runs = [
        finished(f"{name}{fold}", 0.5, held_out_fold=fold, teachers=[named.format(name, fold)])
        for name in ("teacher", "teacher10", "other")
        for fold in (0, 1)
    ]
    unscored = [finished(f"all{n}", 0.5, held_out_fold=None, teachers=[named.format("teacher", n)]) for n in (0, 1)]
    assert [row.folds for row in group_runs(runs + unscored)] == ["0, 1", "0, 1", "0, 1", "None", "None"]


def test_a_run_without_scores_cannot_be_compared(finished: Any) -> None:
    with pytest.raises(ConfigError, match="no scores"):
        group_runs([finished("a", None)])


def test_a_run_whose_fold_lacks_a_language_counts_in_the_other_tasks_of_its_row(finished: Any) -> None:
    runs = [finished("a", 0.5), finished("b", 0.7, held_out_fold=1)]
    file = runs[1] / "checkpoint" / MANIFEST
    told = json.loads(file.read_text(encoding="utf-8"))
    told["dev_scores"]["strict_f1"]["it/MEDICATION"] = 0.25
    file.write_text(json.dumps(told), encoding="utf-8")
    for order in (runs, runs[::-1]):
        (row,) = group_runs(order)
        assert {task: sorted(values) for task, values in row.f1.items()} == {
            "es/DISEASE": [0.5, 0.7],
            "it/MEDICATION": [0.25],
        }


class Slow:
    """Stands in for a Tagger: takes so many seconds for each round, by a clock of its own."""

    now = 0.0

    def __init__(self, seconds: list[float]) -> None:
        self.seconds = iter(seconds)

    def tag(self, documents: Iterable[Document]) -> Iterator[Document]:
        Slow.now += next(self.seconds)
        yield from documents


def test_the_speed_is_words_over_the_median_round_and_the_first_round_warms_up(
    finished: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = group_runs([finished("a", 0.5), finished("b", 0.5, base_encoder="new")])
    slow = iter([Slow([100, 1, 3, 8]), Slow([100, 9, 4, 2])])
    monkeypatch.setattr(Tagger, "load", lambda checkpoint: next(slow))
    monkeypatch.setattr("cardio_training.comparing.time", SimpleNamespace(perf_counter=lambda: Slow.now))
    documents = [Document("1", "es", "dolor torácico"), Document("2", "es", "fiebre")]
    assert words_per_second(rows, documents, rounds=3) == [1.0, 0.75]


def test_the_command_prints_a_markdown_table_and_draws_the_rows(
    finished: Any, official_data: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plot = tmp_path / "runs.svg"
    main([finished("a", 0.5)], data=official_data, language="es", rounds=1, plot=plot, markdown=True)
    assert {"1. old (folds 0; seeds 13)", "es/DISEASE", "strict F1 (%)"} <= set(texts_of(plot))
    printed = capsys.readouterr().out.splitlines()
    header = next(line for line in printed if line.startswith("| base encoder"))
    assert [cell.strip() for cell in header.strip("|").split("|")] == [
        "base encoder", "folds", "seeds", "es/DISEASE", "words/s",
    ]  # fmt: skip
    assert any(line.startswith("| old ") and "50.00" in line for line in printed)


def test_the_speed_is_not_measured_on_a_fold_without_a_text_of_the_language(
    finished: Any, official_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Path(shutil.copytree(official_data, tmp_path / "data"))
    for name in ("case006", "case011"):
        for file in (data / "multicardioner/track2/cardioccc_dev/it/brat").glob(f"{name}.*"):
            file.unlink()
    with pytest.raises(SystemExit, match="2"):
        main([finished("a", 0.5)], data=data, language="it", rounds=1, plot=None, markdown=False)
    assert "fold 0 of cardioccc_dev has no document in it: give another --language" in capsys.readouterr().err
