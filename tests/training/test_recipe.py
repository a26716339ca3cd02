"""Recipes: what is illegal is named."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from cardio_ner.document import DISEASE, MEDICATION
from cardio_ner.errors import ConfigError
from cardio_training.pretraining_recipe import read_pretraining_recipe
from cardio_training.recipe import Recipe, parse_overrides, read_recipe

RECIPES = sorted((Path(__file__).parents[2] / "conf" / "training").glob("*.yaml"))
LEAST: dict[str, Any] = {
    "output": "runs/x",
    "base_encoder": "some/encoder",
    "languages": ["es"],
    "label_groups": [["DISEASE"], ["MEDICATION"]],
}


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(LEAST), encoding="utf-8")
    return path


def test_the_least_recipe_is_legal_and_has_the_documented_defaults(recipe_file: Path) -> None:
    recipe = read_recipe(recipe_file)
    assert recipe.output == Path("runs/x")
    assert (recipe.window_tokens, recipe.overlap_tokens, recipe.held_out_fold) == (128, 32, 0)
    assert [group.entity_types for group in recipe.scheme.groups] == [(DISEASE,), (MEDICATION,)]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_that_ships_is_legal(path: Path) -> None:
    assert set(read_recipe(path).scheme.entity_types) <= {DISEASE, MEDICATION}


def test_recipes_ship() -> None:
    assert {"es", "en", "it"} <= {path.stem for path in RECIPES}


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ({"learning_rte": 1e-4}, "learning_rte: .*not permitted"),
        ({"languages": ["es", "pt"]}, r"languages \['pt'\]: expected some of es, en, it"),
        ({"languages": []}, "languages: .*at least 1"),
        ({"label_groups": []}, "label_groups: .*at least 1"),
        ({"label_groups": [["DISEASE"], ["DISEASE"]]}, "expected each type once"),
        ({"label_groups": [[]]}, "not one BIO group|expected each type once"),
        ({"held_out_fold": 5}, "held_out_fold: .*less than or equal to 4"),
        ({"window_tokens": 32, "overlap_tokens": 30}, "windows of 30 tokens with 30 of overlap"),
        ({"training_overlap_tokens": 126}, "never advance"),
        ({"vocabulary_pieces": 10}, "vocabulary_pieces: .*1000"),
        ({"epochs": -1}, "epochs: .*greater than or equal to 0"),
        ({"learning_rate": -1}, "learning_rate"),
        ({"token_masking": 1}, "token_masking"),
        ({"boundaries": "line"}, "boundaries"),
        ({"seed": "thirteen"}, "seed: .*integer"),
        ({"seed": -1}, "seed: .*greater than or equal to 0"),
        ({"seed": 2**32}, "seed: .*less than 4294967296"),
        ({"languages": ["es", "en", "es"]}, "languages .*'es', 'en', 'es'.*: expected each once"),
        ({"mention_replacement": 1.1}, "mention_replacement: .*less than or equal to 1"),
        ({"layer_decay": 0}, "layer_decay: .*greater than 0"),
        ({"epochs": 2, "averaged_epochs": 3}, "averaged_epochs 3: expected at most epochs"),
        ({"labelled": "words"}, "expected boundaries: word"),
    ],
)
def test_an_unknown_key_or_an_illegal_value_is_named(recipe_file: Path, override: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refusal:
        read_recipe(recipe_file, override)
    assert str(recipe_file) in str(refusal.value)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_numpy_cannot_take_is_refused_for_pretraining_too(seed: int) -> None:
    with pytest.raises(ConfigError, match="seed: "):
        read_pretraining_recipe(Path(__file__).parents[2] / "conf/pretraining.yaml", {"seed": seed})


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in LEAST.items() if k != "base_encoder"}))
    with pytest.raises(ConfigError, match="base_encoder: Field required"):
        read_recipe(path)


def test_a_key_of_a_key_is_overridden_and_the_others_stay(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "conf/pretraining.yaml"
    plain = read_pretraining_recipe(shipped)
    changed = read_pretraining_recipe(
        shipped, parse_overrides(["vocabulary.kind=unigram", "vocabulary.lowercase=false"])
    )
    assert plain.vocabulary
    assert changed.vocabulary
    assert (plain.vocabulary.kind, changed.vocabulary.kind, changed.vocabulary.lowercase) == (
        "wordpiece",
        "unigram",
        False,
    )
    assert changed.vocabulary.texts == plain.vocabulary.texts
    with pytest.raises(ConfigError, match=r"seed\.x: Extra inputs are not permitted"):
        read_pretraining_recipe(shipped, {"seed.x": 1})


def test_the_command_line_overrides_the_file(recipe_file: Path) -> None:
    recipe = read_recipe(recipe_file, {"epochs": 2, "held_out_fold": None})
    assert (recipe.epochs, recipe.held_out_fold) == (2, None)
    assert recipe.languages == ("es",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: [", "not YAML"),
        ("- a", "expected keys and values"),
        ("", "expected keys"),
        ("epochs: 3\nseed: 1\nepochs: 5\n", r"not YAML: 'epochs' stands there twice\n.*line 3"),
        ("unlabelled:\n  a.jsonl: 1\n  a.jsonl: 0.5\n", r"'a\.jsonl' stands there twice\n.*line 3"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=said):
        read_recipe(path)


def test_a_recipe_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file: see conf/training"):
        read_recipe(tmp_path / "nothing.yaml")


def test_a_recipe_is_frozen(recipe_file: Path) -> None:
    recipe = read_recipe(recipe_file)
    with pytest.raises(ValueError, match="frozen"):
        recipe.epochs = 9  # type: ignore[misc]
    assert recipe == Recipe.model_validate(LEAST)
