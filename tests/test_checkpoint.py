"""A checkpoint opens, or says clearly why not; its id changes with what changes a prediction."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from cardio_ner.checkpoint import MANIFEST, WEIGHTS, Checkpoint, packaged_model, resolve_model
from cardio_ner.document import DISEASE, LANGUAGES, MEDICATION
from cardio_ner.encoder import Encoder
from cardio_ner.errors import CardioNerError, CheckpointError
from cardio_ner.model_files import PLAIN_TOKENIZERS
from tiny_models import HUB_LABELS


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


def test_a_checkpoint_of_ours_opens_with_its_manifest(two_group_checkpoint: Path) -> None:
    checkpoint = Checkpoint.open(two_group_checkpoint)
    assert checkpoint.folder == two_group_checkpoint
    assert checkpoint.manifest.languages == LANGUAGES
    assert (checkpoint.manifest.window_tokens, checkpoint.manifest.overlap_tokens) == (24, 8)
    assert [group.entity_types for group in checkpoint.scheme.groups] == [(DISEASE,), (MEDICATION,)]


def test_a_hub_model_without_manifest_gets_one_from_its_config(hub_checkpoint: Path) -> None:
    checkpoint = Checkpoint.open(hub_checkpoint)
    assert checkpoint.scheme.head_labels == HUB_LABELS
    assert checkpoint.manifest.window_tokens == 64
    assert 0 < checkpoint.manifest.overlap_tokens < 62
    assert checkpoint.manifest.boundaries == "token"


def test_opening_reads_no_weights(checkpoint_copy: Path) -> None:
    save_file({"nothing": np.zeros(1)}, checkpoint_copy / WEIGHTS)
    assert Checkpoint.open(checkpoint_copy).scheme.n_labels == 6


def test_weights_that_are_cut_short_are_refused(checkpoint_copy: Path) -> None:
    whole = (checkpoint_copy / WEIGHTS).read_bytes()
    for content in (whole[: len(whole) // 2], b"version https://git-lfs.github.com/spec/v1", b""):
        (checkpoint_copy / WEIGHTS).write_bytes(content)
        with pytest.raises(CheckpointError, match=rf"{WEIGHTS}: no whole safetensors file"):
            Checkpoint.open(checkpoint_copy)


def test_a_checkpoint_without_a_tokenizer_or_with_half_of_one_is_refused(checkpoint_copy: Path) -> None:
    tokenizer = checkpoint_copy / "tokenizer.json"
    tokenizer.write_bytes(tokenizer.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: no tokenizer"):
        Encoder.load(Checkpoint.open(checkpoint_copy))
    tokenizer.unlink()
    for file in (*checkpoint_copy.glob("vocab*"), *checkpoint_copy.glob("*.model")):
        file.unlink()
    with pytest.raises(CheckpointError, match=r"no tokenizer: expected tokenizer\.json"):
        Checkpoint.open(checkpoint_copy)


def test_a_window_fits_the_positions_which_roberta_counts_from_after_its_padding(checkpoint_copy: Path) -> None:
    edit(checkpoint_copy / "config.json", lambda config: config.update(max_position_embeddings=24))
    assert Checkpoint.open(checkpoint_copy).manifest.window_tokens == 24
    edit(checkpoint_copy / "config.json", lambda config: config.update(model_type="roberta", pad_token_id=1))
    with pytest.raises(CheckpointError, match="window_tokens is 24, but the model has 22 positions"):
        Checkpoint.open(checkpoint_copy)
    edit(checkpoint_copy / "config.json", lambda config: config.update(pad_token_id=None))
    with pytest.raises(CheckpointError, match="has 22 positions"):
        Checkpoint.open(checkpoint_copy)
    edit(checkpoint_copy / "config.json", lambda config: config.update(model_type="mpnet", pad_token_id=20))
    with pytest.raises(CheckpointError, match="has 22 positions"):
        Checkpoint.open(checkpoint_copy)
    (checkpoint_copy / MANIFEST).unlink()
    edit(checkpoint_copy / "config.json", lambda config: config.update(id2label={"0": "O", "1": "B-A", "2": "I-A"}))
    assert Checkpoint.open(checkpoint_copy).manifest.window_tokens == 22


@pytest.mark.parametrize(
    "key", ["licence", "git_commit", "base_encoder", "languages", "dev_scores", "training_data", "recipe"]
)
def test_what_changes_no_prediction_leaves_the_model_id(checkpoint_copy: Path, key: str) -> None:
    before = Checkpoint.open(checkpoint_copy).model_id
    value: Any = {"languages": ["es"], "dev_scores": {"f1": 1}, "training_data": {"n": 1}, "recipe": {"seed": 1}}
    edit(checkpoint_copy / MANIFEST, lambda manifest: manifest.update({key: value.get(key, "changed")}))
    edit(checkpoint_copy / "config.json", lambda config: config.update(transformers_version="4.0.0"))
    assert Checkpoint.open(checkpoint_copy).model_id == before


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("window_tokens", 32),
        ("overlap_tokens", 4),
        ("boundaries", "word"),
        ("temperatures", [1.5, 1.0]),
        ("tidied", True),
    ],
)
def test_the_model_id_changes_with_the_inference_fields(checkpoint_copy: Path, key: str, value: object) -> None:
    before = Checkpoint.open(checkpoint_copy).model_id
    edit(checkpoint_copy / MANIFEST, lambda manifest: manifest.update({key: value}))
    assert Checkpoint.open(checkpoint_copy).model_id != before


def test_the_model_id_changes_with_the_weights(checkpoint_copy: Path) -> None:
    before = Checkpoint.open(checkpoint_copy).model_id
    weights = load_file(checkpoint_copy / WEIGHTS)
    weights["classifier.bias"] = weights["classifier.bias"] + 1
    save_file(weights, checkpoint_copy / WEIGHTS, metadata={"format": "pt"})
    assert Checkpoint.open(checkpoint_copy).model_id != before


def test_the_model_id_changes_with_the_tokenizer(checkpoint_copy: Path) -> None:
    before = Checkpoint.open(checkpoint_copy).model_id
    edit(checkpoint_copy / "tokenizer.json", lambda spec: spec["normalizer"].update(lowercase=False))
    assert Checkpoint.open(checkpoint_copy).model_id != before


@pytest.mark.parametrize("name", ["tokenizer_config.json", "added_tokens.json", "special_tokens_map.json"])
def test_the_model_id_changes_with_the_settings_of_a_tokenizer_whose_class_reads_them(
    checkpoint_copy: Path, name: str
) -> None:
    settings = checkpoint_copy / "tokenizer_config.json"
    (checkpoint_copy / name).touch()
    before = {}
    for tokenizer_class in (*PLAIN_TOKENIZERS, "BertTokenizer", None):
        for value in ({}, {"do_lower_case": False}):
            (checkpoint_copy / name).write_text(json.dumps(value))
            own = value if name == settings.name else {}
            settings.write_text(json.dumps(own | {"tokenizer_class": tokenizer_class}))
            before[tokenizer_class, bool(value)] = Checkpoint.open(checkpoint_copy).model_id
    for tokenizer_class in PLAIN_TOKENIZERS:
        assert before[tokenizer_class, False] == before[tokenizer_class, True] == before[PLAIN_TOKENIZERS[0], True]
    for tokenizer_class in ("BertTokenizer", None):
        assert before[tokenizer_class, False] != before[tokenizer_class, True]


def test_the_model_id_changes_with_the_architecture(checkpoint_copy: Path) -> None:
    before = Checkpoint.open(checkpoint_copy).model_id
    edit(checkpoint_copy / "config.json", lambda config: config.update(layer_norm_eps=1e-3))
    assert Checkpoint.open(checkpoint_copy).model_id != before


def test_the_model_id_is_the_same_in_another_folder_and_no_number(
    two_group_checkpoint: Path, checkpoint_copy: Path
) -> None:
    model_id = Checkpoint.open(two_group_checkpoint).model_id
    assert model_id == Checkpoint.open(checkpoint_copy).model_id
    assert model_id[0] == "m"
    assert len(model_id) == 17


def test_labels_in_another_order_than_the_manifests_are_refused(checkpoint_copy: Path) -> None:
    edit(checkpoint_copy / MANIFEST, lambda manifest: manifest["label_groups"].reverse())
    with pytest.raises(CheckpointError, match=r"names the labels .*O:MEDICATION.*config\.json.*O:DISEASE"):
        Checkpoint.open(checkpoint_copy)


def test_labels_that_the_config_lacks_are_refused(checkpoint_copy: Path) -> None:
    edit(checkpoint_copy / MANIFEST, lambda manifest: manifest["label_groups"].pop())
    with pytest.raises(CheckpointError, match="the files are of two models"):
        Checkpoint.open(checkpoint_copy)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": "red"}, "colour: .*not permitted"),
        ({"window_tokens": "many"}, "window_tokens: .*integer"),
        ({"window_tokens": 2}, "window_tokens: .*greater than or equal to 8"),
        ({"boundaries": "sentence"}, "boundaries: .*'token' or 'word'"),
        ({"format_version": 9}, "format_version"),
    ],
)
def test_a_manifest_with_an_unknown_key_or_an_illegal_value_names_it(
    checkpoint_copy: Path, change: dict[str, object], said: str
) -> None:
    edit(checkpoint_copy / MANIFEST, lambda manifest: manifest.update(change))
    with pytest.raises(CheckpointError, match=rf"{MANIFEST}: {said}"):
        Checkpoint.open(checkpoint_copy)


def test_windows_that_never_advance_are_refused(checkpoint_copy: Path) -> None:
    edit(checkpoint_copy / MANIFEST, lambda manifest: manifest.update(overlap_tokens=22))
    with pytest.raises(CardioNerError, match="never advance"):
        Checkpoint.open(checkpoint_copy)


def test_pickled_weights_are_refused(checkpoint_copy: Path) -> None:
    (checkpoint_copy / WEIGHTS).rename(checkpoint_copy / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"no safetensors.*pickles are refused"):
        Checkpoint.open(checkpoint_copy)


def test_a_model_whose_labels_are_no_bio_is_refused(checkpoint_copy: Path) -> None:
    (checkpoint_copy / MANIFEST).unlink()
    edit(checkpoint_copy / "config.json", lambda c: c.update(id2label={"0": "LABEL_0", "1": "LABEL_1"}))
    with pytest.raises(CardioNerError, match="not one BIO group"):
        Checkpoint.open(checkpoint_copy)


def test_a_model_without_labels_is_refused(checkpoint_copy: Path) -> None:
    edit(checkpoint_copy / "config.json", lambda config: config.pop("id2label"))
    with pytest.raises(CheckpointError, match="no id2label"):
        Checkpoint.open(checkpoint_copy)


@pytest.mark.parametrize(
    "id2label", [["O", "B-A", "I-A"], {"O": 0}, {"0": "O", "1": None, "2": "I-A"}, {"0": 1, "1": 2}, {"1": "O"}, "O"]
)
def test_labels_that_are_not_names_by_number_are_refused(checkpoint_copy: Path, id2label: object) -> None:
    edit(checkpoint_copy / "config.json", lambda config: config.update(id2label=id2label))
    with pytest.raises(CheckpointError, match=r"config\.json: id2label .*: expected names by number, from 0 on"):
        Checkpoint.open(checkpoint_copy)


@pytest.mark.parametrize("labels", [("O", "B-", "I-"), ("O", "B- ", "I- ")])
def test_a_type_without_a_name_is_refused(checkpoint_copy: Path, labels: tuple[str, ...]) -> None:
    (checkpoint_copy / MANIFEST).unlink()
    edit(checkpoint_copy / "config.json", lambda c: c.update(id2label=dict(enumerate(labels))))
    with pytest.raises(CheckpointError, match=r"not one BIO group: expected .* with the name of each entity type"):
        Checkpoint.open(checkpoint_copy)


def test_positions_that_are_null_are_no_limit_and_too_few_are_refused(checkpoint_copy: Path) -> None:
    edit(checkpoint_copy / "config.json", lambda config: config.update(max_position_embeddings=None))
    assert Checkpoint.open(checkpoint_copy).manifest.window_tokens == 24
    edit(checkpoint_copy / "config.json", lambda config: config.update(max_position_embeddings="many"))
    with pytest.raises(CheckpointError, match="max_position_embeddings 'many': expected a whole number or null"):
        Checkpoint.open(checkpoint_copy)
    edit(checkpoint_copy / "config.json", lambda config: config.update(max_position_embeddings=7))
    for _ in range(2):
        with pytest.raises(CheckpointError, match="the model has 7 positions: expected 8 or more"):
            Checkpoint.open(checkpoint_copy)
        (checkpoint_copy / MANIFEST).unlink(missing_ok=True)


def test_more_than_nine_labels_keep_their_numeric_order(checkpoint_copy: Path) -> None:
    (checkpoint_copy / MANIFEST).unlink()
    labels = ["O", *(f"{p}-{name}" for name in "ABCDEF" for p in "BI")]
    by_text = {str(row): labels[row] for row in sorted(range(len(labels)), key=str)}
    edit(checkpoint_copy / "config.json", lambda config: config.update(id2label=by_text))
    assert Checkpoint.open(checkpoint_copy).scheme.head_labels == tuple(labels)


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_broken_config_is_refused(checkpoint_copy: Path, content: str) -> None:
    (checkpoint_copy / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"config\.json: (not JSON|expected a JSON object)"):
        Checkpoint.open(checkpoint_copy)


def test_a_config_that_is_not_utf8_is_refused(checkpoint_copy: Path) -> None:
    (checkpoint_copy / "config.json").write_bytes('{"author": "Muñoz"}'.encode("latin-1"))
    with pytest.raises(CheckpointError, match=r"config\.json: byte 14 is not UTF-8: expected JSON in UTF-8"):
        Checkpoint.open(checkpoint_copy)


def test_tokenizer_settings_that_are_cut_short_are_refused(checkpoint_copy: Path) -> None:
    (checkpoint_copy / "tokenizer_config.json").write_text('{"tokenizer_class": "Pre')
    with pytest.raises(CheckpointError, match=r"tokenizer_config\.json: not JSON"):
        Checkpoint.open(checkpoint_copy)


def test_a_tokenizer_that_transformers_cannot_read_is_refused(checkpoint_copy: Path) -> None:
    tokenizer = checkpoint_copy / "tokenizer.json"
    tokenizer.write_bytes(tokenizer.read_bytes()[:100])
    edit(checkpoint_copy / "tokenizer_config.json", lambda c: c.update(tokenizer_class="BertTokenizerFast"))
    with pytest.raises(CheckpointError, match=r"transformers reads no tokenizer from it \(\w+\)") as refusal:
        Encoder.load(Checkpoint.open(checkpoint_copy), device="cpu")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("kind", ["no-such-model", "vit"])
def test_a_model_that_transformers_has_no_head_for_is_refused(checkpoint_copy: Path, kind: str) -> None:
    edit(checkpoint_copy / "config.json", lambda config: config.update(model_type=kind))
    with pytest.raises(CheckpointError, match=rf"loads no model of it \(\w+\): .*; it is '{kind}'") as refusal:
        Encoder.load(Checkpoint.open(checkpoint_copy), device="cpu")
    assert "\n" not in str(refusal.value)


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no config\.json: expected a Hugging Face model directory"):
        Checkpoint.open(tmp_path)


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "a/b/c", "~/nowhere"])
def test_a_folder_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        Checkpoint.open(name)


def test_a_hub_name_that_cannot_be_fetched_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match="'cardio-ner/no-such-model' is no folder here and could not be fetched"):
        Checkpoint.open("cardio-ner/no-such-model")


def test_a_package_that_is_not_installed_says_so() -> None:
    with pytest.raises(CheckpointError, match="the package 'no_such_package' is not installed"):
        resolve_model("package:no_such_package/model")


def test_a_package_without_a_name_says_so() -> None:
    with pytest.raises(CheckpointError, match="expected package:name/folder"):
        resolve_model("package:")


def test_temperatures_are_one_for_each_label_group_or_none(checkpoint_copy: Path) -> None:
    before = Checkpoint.open(checkpoint_copy).model_id
    edit(checkpoint_copy / MANIFEST, lambda manifest: manifest.update(temperatures=[]))
    assert Checkpoint.open(checkpoint_copy).model_id == before
    edit(checkpoint_copy / MANIFEST, lambda manifest: manifest.update(temperatures=[1.5]))
    with pytest.raises(CheckpointError, match=r"1 temperatures in .*expected one for each of 2 label groups, or none"):
        Checkpoint.open(checkpoint_copy)
    edit(checkpoint_copy / MANIFEST, lambda manifest: manifest.update(temperatures=[1.5, 0]))
    with pytest.raises(CheckpointError, match=r"temperatures.1: .*greater than 0"):
        Checkpoint.open(checkpoint_copy)


def test_a_window_longer_than_the_models_positions_is_refused(checkpoint_copy: Path) -> None:
    manifest = json.loads((checkpoint_copy / MANIFEST).read_text())
    (checkpoint_copy / MANIFEST).write_text(json.dumps(manifest | {"window_tokens": 129}))
    with pytest.raises(CheckpointError, match="window_tokens is 129, but the model has 128 positions"):
        Checkpoint.open(checkpoint_copy)


def test_a_folder_inside_a_package_is_found() -> None:
    assert resolve_model("package:cardio_ner/corpus").joinpath("brat.py").is_file()


def test_a_language_without_a_shipped_checkpoint_is_refused() -> None:
    with pytest.raises(CheckpointError, match="no checkpoint ships for language 'pt'"):
        packaged_model("pt")


def test_weights_without_the_head_are_refused_when_loaded(checkpoint_copy: Path) -> None:
    weights = load_file(checkpoint_copy / WEIGHTS)
    bare = {name: tensor for name, tensor in weights.items() if not name.startswith("classifier")}
    save_file(bare, checkpoint_copy / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"the weights lack \['classifier"):
        Encoder.load(Checkpoint.open(checkpoint_copy), device="cpu")
