"""A checkpoint becomes package data: its files, its card, and nothing else; and those that ship are as promised."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cardio_ner.checkpoint import MANIFEST, Checkpoint, packaged_model
from cardio_ner.document import DISEASE, MEDICATION
from cardio_ner.errors import ConfigError
from cardio_training import shipping
from cardio_training.provenance import unseen_fold
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
def test_what_ships_is_small_and_complete_and_its_scores_are_of_documents_not_learnt(language: str) -> None:
    folder = packaged_model(language)
    checkpoint = Checkpoint.open(folder)
    manifest = checkpoint.manifest
    assert {path.name for path in folder.iterdir()} == {*FILES, "README.md"}
    assert (folder / "model.safetensors").stat().st_size <= MAX_WEIGHTS_BYTES
    assert checkpoint.scheme.entity_types == TYPES[language]
    assert set(manifest.dev_scores["strict_f1"]) == {f"{language}/{name}" for name in TYPES[language]}
    fold = unseen_fold([manifest])
    assert fold is not None or manifest.dev_scores["measured_on"] != checkpoint.model_id
    assert manifest.dev_scores.get("held_out_fold", fold) in range(5)
    assert len(manifest.temperatures) == len(manifest.label_groups)
    assert manifest.git_commit


@pytest.mark.parametrize("language", TYPES)
def test_the_card_that_ships_is_the_one_its_manifest_gives(language: str) -> None:
    checkpoint = Checkpoint.open(packaged_model(language))
    written = (checkpoint.folder / "README.md").read_text(encoding="utf-8")
    assert written == model_card(checkpoint, recipe_file=f"conf/training/{language}.yaml")
    for part in ("CC BY 4.0", "negated", "docs/training.md", checkpoint.manifest.training_data["sha256"]):
        assert part in written


def test_shipping_copies_the_checkpoint_unchanged(tmp_path: Path) -> None:
    source = packaged_model("es")
    ship(source, tmp_path / "es", recipe_file="conf/training/es.yaml")
    assert Checkpoint.open(tmp_path / "es").model_id == Checkpoint.open(source).model_id
    for name in FILES:
        assert (tmp_path / "es" / name).read_bytes() == (source / name).read_bytes()


def changed(checkpoint: Path, folder: Path, **values: object) -> Path:
    """A copy of a checkpoint with other values in its manifest."""
    shutil.copytree(checkpoint, folder)
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    (folder / MANIFEST).write_text(json.dumps(manifest | values), encoding="utf-8")
    return folder


STAGE = {
    "base_encoder": "models/encoder", "languages": ["es"], "documents": 9, "sha256": "0123456789abcdef00",
    "n_mentions": 5, "n_overlapping": 1, "n_widened": 0, "held_out_fold": 0,
}  # fmt: skip
SCORES = {"data": "cardioccc_dev, fold 0 of 5", "seed": 13, "strict_f1": {"es/DISEASE": 0.75, "es/MEDICATION": 0.5}}
RECIPE = {"epochs": 0}


def test_one_that_learnt_every_document_ships_with_the_scores_and_temperatures_of_its_twin(
    two_group_checkpoint: Path, tmp_path: Path
) -> None:
    common = {"languages": ["es"], "recipe": RECIPE, "git_commit": "c0ffee"}
    whole = changed(two_group_checkpoint, tmp_path / "whole", training_data=STAGE | {"held_out_fold": None}, **common)
    scored = {"training_data": STAGE, "dev_scores": SCORES, "temperatures": [1.5, 1.2]}
    twin = changed(two_group_checkpoint, tmp_path / "twin", **common, **scored)
    with pytest.raises(ConfigError, match="no scores, as of one that learnt every document: expected --twin"):
        ship(whole, tmp_path / "es", recipe_file="")
    ship(whole, tmp_path / "es", recipe_file="conf/training/es.yaml", twin=twin)
    shipped = Checkpoint.open(tmp_path / "es")
    assert shipped.manifest.temperatures == (1.5, 1.2)
    told = SCORES | {"measured_on": Checkpoint.open(twin).model_id, "held_out_fold": 0, "kept_epoch": "best"}
    assert shipped.manifest.dev_scores == told
    card = (shipped.folder / "README.md").read_text(encoding="utf-8")
    for part in (
        "held nothing of cardioccc_dev out",
        f"model `{told['measured_on']}`",
        "| es/DISEASE | 75.00 |",
        "by a temperature",
    ):
        assert part in card
    with pytest.raises(ConfigError, match="expected a twin with scores on a fold"):
        ship(whole, tmp_path / "new" / "es", recipe_file="", twin=whole)
    other = changed(twin, tmp_path / "other", overlap_tokens=4)
    with pytest.raises(ConfigError, match=r"overlap_tokens is 4, and 8 in .* no twin of it"):
        ship(whole, tmp_path / "new" / "es", recipe_file="", twin=other)
    assert not (tmp_path / "new").exists()


def test_one_whose_last_stage_no_twin_has_had_ships_with_the_scores_of_what_it_grew_from(
    two_group_checkpoint: Path, tmp_path: Path
) -> None:
    learnt = STAGE | {"held_out_fold": None}
    common = {"languages": ["es"], "recipe": RECIPE, "git_commit": "c0ffee"}
    scores = SCORES | {"measured_on": "m0123456789abcdef", "held_out_fold": 0, "kept_epoch": "best"}
    before = changed(
        two_group_checkpoint, tmp_path / "b", training_data=learnt, dev_scores=scores, temperatures=[1.5, 1.2], **common
    )
    last = learnt | {"base_encoder": "runs/es", "sha256": "f" * 16, "earlier_stage": learnt}
    whole = changed(two_group_checkpoint, tmp_path / "whole", training_data=last, overlap_tokens=4, **common)
    ship(whole, tmp_path / "es", recipe_file="conf/training/es-notes.yaml", before=before)
    shipped = Checkpoint.open(tmp_path / "es")
    told = {"before_last_stage": Checkpoint.open(before).model_id, "overlap_tokens": 8}
    assert shipped.manifest.dev_scores == scores | told
    assert (shipped.manifest.temperatures, shipped.manifest.overlap_tokens) == ((1.5, 1.2), 4)
    card = (shipped.folder / "README.md").read_text(encoding="utf-8").replace("\n", " ")
    said = "and without the last stage of training, which no twin has had"
    assert "twin, model `m0123456789abcdef`: made alike" in card
    assert f"at the epoch with the best scores on it, {said}" in card
    assert "windows that overlap by 8 tokens. The fold also chose" in card
    own = changed(two_group_checkpoint, tmp_path / "own", training_data=STAGE, dev_scores=SCORES, **common)
    grown = changed(two_group_checkpoint, tmp_path / "grown", training_data=last | {"earlier_stage": STAGE}, **common)
    ship(grown, tmp_path / "two" / "es", recipe_file="", before=own)
    told = Checkpoint.open(tmp_path / "two" / "es").manifest.dev_scores
    assert (told["measured_on"], told["held_out_fold"]) == (Checkpoint.open(own).model_id, 0)
    unscored = changed(before, tmp_path / "unscored", dev_scores={})
    learnt_it = changed(before, tmp_path / "learnt", dev_scores=SCORES)
    other = changed(packaged_model("en"), tmp_path / "other", training_data=learnt, dev_scores=scores)
    for folder, complaint in (
        (unscored, "expected one with scores"),
        (learnt_it, "expected one with scores"),
        (own, "did not grow from it"),
        (other, "expected the label groups of"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            ship(whole, tmp_path / "new" / "es", recipe_file="", before=folder)
    assert not (tmp_path / "new").exists()


def test_a_card_names_the_encoder_of_the_first_stage_and_the_texts_that_teachers_labelled(
    two_group_checkpoint: Path, tmp_path: Path
) -> None:
    files = {
        "text/cantemist_background.es.jsonl.gz": 0.5,
        "text/e3c_ccby.es.jsonl.gz": 1,
        "text/e3c_ccby.it.jsonl.gz": 1,
    }
    second = STAGE | {"base_encoder": "runs/joint", "earlier_stage": STAGE, "teachers": [STAGE], "unlabelled": files}
    values = {"languages": ["es"], "recipe": RECIPE, "dev_scores": SCORES}
    card = model_card(
        Checkpoint.open(changed(two_group_checkpoint, tmp_path / "two", training_data=second, **values)), recipe_file=""
    )
    assert "Encoder: `models/encoder` of this repository" in card
    assert "what 1 other checkpoints say of texts without annotation: CANTEMIST (CC BY 4.0), E3C (documents" in card
    assert "Fold 0 of cardioccc_dev was held out throughout" in card
    assert "pre-trained further" not in card
    assert "short notes" not in card
    third = STAGE | {
        "earlier_stage": second,
        "teachers": [],
        "unlabelled": {},
        "written": {"written/es.yaml": "a digest"},
    }
    card = model_card(
        Checkpoint.open(changed(two_group_checkpoint, tmp_path / "three", training_data=third, **values)),
        recipe_file="",
    )
    assert "what 1 other checkpoints say of texts without annotation: CANTEMIST (CC BY 4.0), E3C (documents" in card
    assert "It also learnt short notes made of the lines and names in written/es.yaml, which no" in card
    longer = changed(
        two_group_checkpoint,
        tmp_path / "longer",
        training_data=STAGE | {"base_encoder": "runs/encoder-long/encoder"},
        **values,
    )
    assert "medical texts), pre-trained further on the same texts; " in model_card(
        Checkpoint.open(longer), recipe_file=""
    )
    foreign = STAGE | {"base_encoder": "all-MiniLM-L6-v2", "unlabelled": {"text/secret.es.jsonl.gz": 1}, "teachers": []}
    checkpoint = Checkpoint.open(changed(two_group_checkpoint, tmp_path / "one", training_data=foreign, **values))
    with pytest.raises(ConfigError, match="no licence is known of it"):
        model_card(checkpoint, recipe_file="")


def test_where_the_card_cannot_be_written_nothing_is(two_group_checkpoint: Path, tmp_path: Path) -> None:
    ship(packaged_model("es"), tmp_path / "es", recipe_file="")
    before = {path.name: path.read_bytes() for path in (tmp_path / "es").iterdir()}
    learnt = STAGE | {"unlabelled": {"text/mine.es.jsonl.gz": 1}, "teachers": []}
    values = {"languages": ["es"], "recipe": RECIPE, "dev_scores": SCORES, "training_data": learnt}
    source = changed(two_group_checkpoint, tmp_path / "mine", **values)
    with pytest.raises(ConfigError, match="no licence is known of it"):
        ship(source, tmp_path / "es", recipe_file="")
    with pytest.raises(ConfigError, match="--twin and --before: expected at most one"):
        ship(source, tmp_path / "es", recipe_file="", twin=source, before=source)
    assert {path.name: path.read_bytes() for path in (tmp_path / "es").iterdir()} == before


def test_one_whose_scores_are_of_no_task_is_not_shipped(two_group_checkpoint: Path, tmp_path: Path) -> None:
    values = {"languages": ["es"], "recipe": RECIPE, "training_data": STAGE, "dev_scores": SCORES | {"strict_f1": {}}}
    empty = changed(two_group_checkpoint, tmp_path / "empty", **values)
    with pytest.raises(ConfigError, match="no scores"):
        ship(empty, tmp_path / "es", recipe_file="")
    with pytest.raises(ConfigError, match="expected a twin with scores"):
        ship(empty, tmp_path / "es", recipe_file="", twin=empty)
    assert not (tmp_path / "es").exists()


def test_a_checkpoint_of_another_language_is_not_shipped(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"trained on it, and es is asked for: expected a checkpoint of that language"
    ):
        ship(packaged_model("it"), tmp_path / "es", recipe_file="")
    assert not (tmp_path / "es").exists()


def test_a_card_says_the_licence_of_the_manifest_the_recipe_and_the_epoch_of_the_twin(
    two_group_checkpoint: Path, tmp_path: Path
) -> None:
    common = {"languages": ["es"], "recipe": RECIPE, "git_commit": "c0ffee", "licence": "CC BY-NC 4.0"}
    for kept, said in (
        ({}, "at the epoch with the best scores on it."),
        ({"kept_epoch": "last"}, "at the last epoch."),
        ({"kept_epoch": "mean of the last 3"}, "as the mean of the last 3 epochs."),
    ):
        name = said.replace(" ", "-")
        learnt = STAGE | {"base_encoder": "dccuchile/bert"} | kept
        whole = changed(
            two_group_checkpoint, tmp_path / name / "whole", training_data=learnt | {"held_out_fold": None}, **common
        )
        twin = changed(
            two_group_checkpoint, tmp_path / name / "twin", training_data=learnt, dev_scores=SCORES, **common
        )
        ship(whole, tmp_path / name / "es", recipe_file="conf/mine.yaml", twin=twin)
        card = (tmp_path / name / "es" / "README.md").read_text(encoding="utf-8")
        assert said in card.replace("\n", " ")
        for part in ("license: other\n", "Weights: CC BY-NC 4.0.", "Encoder: dccuchile/bert, ", "`conf/mine.yaml`, at"):
            assert part in card
        assert "Apache" not in card


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
    command("it", source=packaged_model("it"), recipe=Path("conf/mine.yaml"))
    assert (
        Checkpoint.open(tmp_path / "src/cardio_ner/models/it").model_id
        == Checkpoint.open(packaged_model("it")).model_id
    )
    assert "`conf/mine.yaml`, at commit" in (tmp_path / "src/cardio_ner/models/it/README.md").read_text("utf-8")
