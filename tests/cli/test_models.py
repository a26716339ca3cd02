"""`cardio-ner models`: what ships, and a model fetched from a hub on loopback."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cardio_ner.checkpoint import Checkpoint, packaged_model
from cardio_ner.cli import app
from cardio_ner.document import LANGUAGES
from tiny_hub import serving

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_the_json_is_what_the_manifests_say() -> None:
    told = json.loads(CliRunner().invoke(app, ["models", "--json"]).stdout)
    for language, facts in zip(LANGUAGES, told, strict=True):
        checkpoint = Checkpoint.open(packaged_model(language))
        assert facts == {
            "name": language,
            "languages": [language],
            "entity_types": list(checkpoint.scheme.entity_types),
            "strict_f1": checkpoint.manifest.dev_scores["strict_f1"],
            "scored_on": checkpoint.manifest.dev_scores["data"],
            "scored_model_id": checkpoint.manifest.dev_scores["measured_on"],
            "model_id": checkpoint.model_id,
            "weights_bytes": (checkpoint.folder / "model.safetensors").stat().st_size,
            "licence": checkpoint.manifest.licence,
            "folder": str(checkpoint.folder),
        }


def test_the_table_has_a_row_for_each_and_says_what_the_scores_are() -> None:
    shown = CliRunner().invoke(app, ["models"]).stdout
    for language in LANGUAGES:
        checkpoint = Checkpoint.open(packaged_model(language))
        (row,) = [line for line in shown.splitlines() if line.startswith(f"│ {language} ")]
        assert checkpoint.model_id in row
        assert checkpoint.manifest.licence in row
        for task, f1 in checkpoint.manifest.dev_scores["strict_f1"].items():
            assert f"{task} {100 * f1:.2f}" in shown
    assert "a development score, not a test score" in shown
    assert "twins, made alike, that never saw these documents" in shown


def test_a_model_of_the_hub_is_fetched_once_and_without_pickles(
    program: Run, two_group_checkpoint: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copytree(two_group_checkpoint, tmp_path / "model"))
    for name in ("pytorch_model.bin", "training_args.pt", "run.py"):
        (model / name).write_bytes(b"not to be fetched")
    home = {"HF_HOME": str(tmp_path / "hub")}
    with serving("clinic/tiny", model) as (address, fetched):
        first = program("models", "fetch", "clinic/tiny", HF_ENDPOINT=address, HF_HUB_OFFLINE="0", **home)
    assert first.returncode == 0, first.stderr
    assert sorted(fetched) == sorted(path.name for path in two_group_checkpoint.iterdir())
    assert Checkpoint.open(two_group_checkpoint).model_id in first.stdout
    last = re.fullmatch(
        r"In (.*). To use it: cardio-ner tag --checkpoint clinic/tiny FILE", first.stdout.splitlines()[-1]
    )
    assert last is not None
    assert Checkpoint.open(last[1]).model_id == Checkpoint.open(two_group_checkpoint).model_id
    assert program("models", "fetch", "clinic/tiny", HF_HUB_OFFLINE="1", **home).stdout == first.stdout


def test_a_model_that_the_hub_does_not_have_is_an_error(
    program: Run, two_group_checkpoint: Path, tmp_path: Path
) -> None:
    with serving("clinic/tiny", two_group_checkpoint) as (address, _):
        hub = {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "hub")}
        done = program("models", "fetch", "clinic/other", **hub)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: 'clinic/other' is no folder here and could not be fetched")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("clinic/tiny", "'clinic/tiny' is no folder here and could not be fetched from the model hub"),
        ("a/b/c", "a/b/c: no such folder: expected a checkpoint directory or a hub name"),
        (".", ".: is on this machine: expected a hub name"),
    ],
)
def test_without_a_hub_or_a_name_of_it_the_error_says_what_to_give(name: str, said: str) -> None:
    result = CliRunner().invoke(app, ["models", "fetch", name])  # tests are offline
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {said}")
    assert result.stderr.count("\n") == 1
