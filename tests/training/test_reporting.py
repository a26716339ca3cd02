"""TensorBoard: for a recipe that asks for it, where its package is installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from cardio_ner.document import DISEASE
from cardio_ner.errors import ConfigError
from cardio_training import pretraining, run
from cardio_training.pretraining_recipe import PretrainingRecipe
from cardio_training.recipe import Recipe, read_recipe
from train import main

pytestmark = pytest.mark.usefixtures("one_thread")
INSTALLED = find_spec("tensorboard") is not None or find_spec("tensorboardX") is not None


def recipe_of(output: Path, base_encoder: Path) -> Recipe:
    return Recipe(
        output=output,
        base_encoder=str(base_encoder),
        languages=("es",),
        label_groups=((DISEASE,),),
        epochs=1,
        held_out_fold=None,
        report_to=("tensorboard",),
    )


@pytest.mark.skipif(INSTALLED, reason="TensorBoard is installed")
def test_a_run_that_asks_for_an_absent_tensorboard_ends_at_once_and_says_what_to_do(
    hub_checkpoint: Path, official_data: Path, small_recipe: PretrainingRecipe, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    file = tmp_path / "recipe.yaml"
    file.write_text(recipe_of(tmp_path / "run", hub_checkpoint).model_dump_json(), encoding="utf-8")  # JSON is YAML
    with pytest.raises(SystemExit) as ended:
        main(file, data=official_data)
    assert ended.value.code == 2
    said = "report_to tensorboard: expected its package: pip install tensorboard, or leave it out"
    assert capsys.readouterr().err == f"error: {said}\n"
    with pytest.raises(ConfigError, match=said):
        pretraining.pretrain(
            small_recipe.model_copy(update={"output": tmp_path / "run", "report_to": ("tensorboard",)}),
            data=official_data,
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not INSTALLED, reason="TensorBoard is not installed")
def test_a_run_leaves_its_events_where_users_of_transformers_look(
    hub_checkpoint: Path, official_data: Path, tmp_path: Path
) -> None:
    run.train(recipe_of(tmp_path, hub_checkpoint), data=official_data)
    (events,) = tmp_path.glob("trainer/runs/*/events.out.tfevents.*")
    assert b"train/loss" in events.read_bytes() or b"train_loss" in events.read_bytes()


def test_the_reporters_of_a_recipe_reach_the_trainer_and_by_default_there_are_none(
    small_recipe: PretrainingRecipe, tmp_path: Path
) -> None:
    asked = recipe_of(tmp_path, tmp_path)
    silent = asked.model_copy(update={"report_to": ()})
    assert run._arguments(asked, warmup_steps=0, bf16=False, scored=False).report_to == ["tensorboard"]
    assert run._arguments(silent, warmup_steps=0, bf16=False, scored=False).report_to == []
    told = small_recipe.model_copy(update={"report_to": ("tensorboard",)})
    assert pretraining._arguments(told, score_first=False).report_to == ["tensorboard"]
    assert pretraining._arguments(small_recipe, score_first=False).report_to == []


def test_another_reporter_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump({"report_to": ["wandb"]}), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"report_to\.0: Input should be 'tensorboard'"):
        read_recipe(file)
