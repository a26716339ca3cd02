"""A checkpoint becomes package data: its files, its card, and nothing else; and those that ship are as promised."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cardio_ner.checkpoint import MANIFEST, Checkpoint, packaged_model
from cardio_ner.document import DISEASE, MEDICATION
from cardio_ner.errors import ConfigError
from cardio_training import shipping
from cardio_training.shipping import (
    ENCODER_FILES,
    FILES,
    MAX_ENCODER_BYTES,
    MAX_WEIGHTS_BYTES,
    encoder_card,
    model_card,
    ship,
    ship_encoder,
)
from ship import main as command

TYPES = {"es": (DISEASE, MEDICATION), "en": (MEDICATION,), "it": (MEDICATION,)}
ENCODER = Path(__file__).parents[2] / "models/encoder"


@pytest.mark.parametrize("language", TYPES)
def test_what_ships_is_small_complete_and_scored_on_documents_it_did_not_learn(language: str) -> None:
    folder = packaged_model(language)
    checkpoint = Checkpoint.open(folder)
    manifest = checkpoint.manifest
    assert {path.name for path in folder.iterdir()} == {*FILES, "README.md"}
    assert (folder / "model.safetensors").stat().st_size <= MAX_WEIGHTS_BYTES
    assert checkpoint.scheme.entity_types == TYPES[language]
    assert manifest.training_data["held_out_fold"] in range(5)
    assert set(manifest.dev_scores["strict_f1"]) == {f"{language}/{name}" for name in TYPES[language]}
    assert manifest.git_commit


@pytest.mark.parametrize("language", TYPES)
def test_the_card_that_ships_is_the_one_its_manifest_gives(language: str) -> None:
    checkpoint = Checkpoint.open(packaged_model(language))
    written = (checkpoint.folder / "README.md").read_text(encoding="utf-8")
    assert written == model_card(checkpoint, recipe_file=f"conf/training/{language}.yaml")
    for part in ("CC BY 4.0", "negated", "evaluate.py", checkpoint.manifest.training_data["sha256"]):
        assert part in written


def test_shipping_copies_the_checkpoint_unchanged(tmp_path: Path) -> None:
    source = packaged_model("es")
    ship(source, tmp_path / "es", recipe_file="conf/training/es.yaml")
    assert Checkpoint.open(tmp_path / "es").model_id == Checkpoint.open(source).model_id
    for name in FILES:
        assert (tmp_path / "es" / name).read_bytes() == (source / name).read_bytes()


def test_a_card_names_the_encoder_that_the_first_stage_grew_from(checkpoint_copy: Path) -> None:
    for language in TYPES:
        assert "Encoder: all-MiniLM-L6-v2 (Apache-2.0), its vocabulary trimmed" in model_card(
            Checkpoint.open(packaged_model(language)), recipe_file=""
        )
    manifest = Checkpoint.open(packaged_model("es")).manifest
    first = manifest.training_data["earlier_stage"] | {"base_encoder": "models/encoder"}
    stages = manifest.training_data | {"earlier_stage": first, "base_encoder": "runs/joint/checkpoint"}
    grown = manifest.model_copy(update={"training_data": stages, "temperatures": (1.2, 1.1)})
    (checkpoint_copy / MANIFEST).write_text(grown.model_dump_json(), encoding="utf-8")
    card = model_card(Checkpoint.open(checkpoint_copy), recipe_file="")
    assert "Encoder: `models/encoder` of this repository" in card
    assert "scaled by temperature" in card


def test_weights_over_the_limit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "MAX_WEIGHTS_BYTES", 1_000)
    with pytest.raises(ConfigError, match="expected at most 1000"):
        ship(packaged_model("es"), tmp_path / "es", recipe_file="")
    assert not (tmp_path / "es").exists()


def test_the_encoder_that_ships_is_small_and_complete_and_its_card_is_the_one_its_manifest_gives() -> None:
    assert {path.name for path in ENCODER.iterdir()} == {*ENCODER_FILES, "README.md"}
    assert (ENCODER / "model.safetensors").stat().st_size <= MAX_ENCODER_BYTES
    written = (ENCODER / "README.md").read_text(encoding="utf-8")
    assert written == encoder_card(ENCODER)
    facts = json.loads((ENCODER / "pretraining.json").read_text(encoding="utf-8"))
    for part in ("| es |", "| en |", "| it |", facts["texts"]["sha256"], facts["git_commit"][:12]):
        assert part in written


def test_shipping_an_encoder_copies_it_unchanged(tmp_path: Path) -> None:
    ship_encoder(ENCODER, tmp_path / "models/encoder")
    for name in (*ENCODER_FILES, "README.md"):
        assert (tmp_path / "models/encoder" / name).read_bytes() == (ENCODER / name).read_bytes()


def test_an_encoder_of_an_unfinished_run_is_not_shipped(tmp_path: Path) -> None:
    facts = json.loads((ENCODER / "pretraining.json").read_text(encoding="utf-8"))
    for name in ("no manifest", "no scores"):
        source = tmp_path / name
        source.mkdir()
        if name == "no scores":
            (source / "pretraining.json").write_text(json.dumps(facts | {"held_out": {}}), encoding="utf-8")
        with pytest.raises(ConfigError, match="expected the encoder folder of a finished run"):
            ship_encoder(source, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_the_commands_of_shipping_put_things_in_their_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command("encoder", source=ENCODER)
    assert (tmp_path / "models/encoder/README.md").read_text(encoding="utf-8") == encoder_card(ENCODER)
    command("it", source=packaged_model("it"))
    assert (
        Checkpoint.open(tmp_path / "src/cardio_ner/models/it").model_id
        == Checkpoint.open(packaged_model("it")).model_id
    )
