"""Several checkpoints become one, where that makes sense, and it is judged where that is fair."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import BertForTokenClassification

from cardio_ner.checkpoint import MANIFEST, WEIGHTS, Checkpoint, Manifest
from cardio_ner.document import DISEASE, MEDICATION
from cardio_ner.engine.loading import load_model
from cardio_ner.errors import ConfigError
from cardio_ner.tagger import Tagger
from cardio_training import merging
from cardio_training.judging import score_checkpoint
from cardio_training.merging import last_epochs, merge
from cardio_training.provenance import unseen_fold
from cardio_training.recipe import Recipe
from cardio_training.run import train
from tiny_models import tiny_tokenizer

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def runs(
    one_thread: None, two_group_checkpoint: Path, official_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """Two short runs from one base, of two seeds, that hold out the same fold."""
    folders = [tmp_path_factory.mktemp("part") for _ in range(2)]
    for seed, folder in enumerate(folders):
        values = {"output": folder, "base_encoder": str(two_group_checkpoint), "languages": ["es"], "seed": seed}
        more = {"label_groups": [[DISEASE], [MEDICATION]], "window_tokens": 48, "overlap_tokens": 16, "epochs": 2}
        train(Recipe.model_validate(values | more | {"batch_windows": 4}), data=official_data)
    return folders


def test_weights_are_the_mean_in_half_precision_and_the_checkpoint_opens(runs: list[Path], tmp_path: Path) -> None:
    folder, fold = merge(runs, tmp_path)
    merged, *parts = (load_file(path / WEIGHTS) for path in (folder, *(run / "checkpoint" for run in runs)))
    assert {value.dtype for value in merged.values()} == {torch.float16}
    assert any(not torch.equal(parts[0][name], parts[1][name]) for name in merged)
    for name, value in merged.items():
        mean = (parts[0][name].float() + parts[1][name].float()) / 2
        assert torch.allclose(value.float(), mean, atol=1e-3), name
    assert fold == 0
    assert Tagger.load(folder, device="cpu").model_id not in {
        Checkpoint.open(run / "checkpoint").model_id for run in runs
    }


def test_the_manifest_names_all_parts_and_no_score_that_was_not_measured(
    runs: list[Path], official_data: Path, tmp_path: Path
) -> None:
    folder, fold = merge(runs, tmp_path)
    manifest = Checkpoint.open(folder).manifest
    assert manifest.dev_scores == {}
    assert [part["seed"] for part in manifest.recipe["merged"]] == [0, 1]
    assert "seed" not in manifest.recipe
    assert [part["held_out_fold"] for part in manifest.training_data["merged"]] == [0, 0]
    scores = score_checkpoint(folder, fold or 0, official_data)
    assert Checkpoint.open(folder).manifest.dev_scores["strict_f1"] == scores
    assert set(scores) == {"es/DISEASE", "es/MEDICATION"}


def test_temperatures_of_the_parts_are_not_those_of_the_mean(runs: list[Path], tmp_path: Path) -> None:
    parts = [Path(shutil.copytree(run / "checkpoint", tmp_path / f"part{n}")) for n, run in enumerate(runs)]
    for part in parts:
        manifest = json.loads((part / MANIFEST).read_text(encoding="utf-8"))
        (part / MANIFEST).write_text(json.dumps(manifest | {"temperatures": [1.5, 0.5]}), encoding="utf-8")
    folder, _ = merge(parts, tmp_path / "merged")
    assert Checkpoint.open(parts[0]).manifest.temperatures == (1.5, 0.5)
    assert Checkpoint.open(folder).manifest.temperatures == ()


def test_a_merge_that_is_stopped_leaves_no_half_made_checkpoint(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(merging, "save_file", stopped)
    with pytest.raises(KeyboardInterrupt):
        merge(runs, tmp_path)
    assert not (tmp_path / "checkpoint").exists()
    monkeypatch.undo()
    folder, _ = merge(runs, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]
    assert Checkpoint.open(folder).manifest.recipe["merged"]


@pytest.mark.parametrize(
    ("data", "fold"),
    [
        ([{"held_out_fold": 0}, {"held_out_fold": 0}], 0),
        ([{"held_out_fold": 0}, {"held_out_fold": 1}], None),
        ([{"held_out_fold": 0, "earlier_stage": {"held_out_fold": 1}}], None),
        ([{"held_out_fold": 0, "earlier_stage": {"held_out_fold": None}}], None),
        ([{"held_out_fold": 2, "merged": [{"held_out_fold": 2}, {"held_out_fold": 2}]}, {"held_out_fold": 2}], 2),
        ([{"held_out_fold": 2, "merged": [{"held_out_fold": 2, "earlier_stage": {"held_out_fold": 3}}]}], None),
        ([{"held_out_fold": None}], None),
    ],
)
def test_a_fold_is_fair_where_no_part_nor_what_it_grew_from_has_learnt_it(data: list[dict], fold: int | None) -> None:
    assert unseen_fold([Manifest(label_groups=(), training_data=part) for part in data]) == fold


def test_strangers_are_refused(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two checkpoints or more"):
        merge(runs[:1], tmp_path / "out")
    other = Path(shutil.copytree(runs[1] / "checkpoint", tmp_path / "other"))
    manifest = json.loads((other / MANIFEST).read_text(encoding="utf-8"))
    (other / MANIFEST).write_text(json.dumps(manifest | {"base_encoder": "another"}), encoding="utf-8")
    with pytest.raises(ConfigError, match="base_encoder is another"):
        merge([runs[0], other], tmp_path / "out")
    config = (other / "config.json").read_text(encoding="utf-8")
    (other / "config.json").write_text(config + "\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"config\.json differs"):
        merge([runs[0], other], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_part_is_neither_written_over_nor_counted_twice(runs: list[Path], tmp_path: Path) -> None:
    before = (runs[1] / "checkpoint" / WEIGHTS).read_bytes()
    with pytest.raises(ConfigError, match="one of the parts: expected another folder"):
        merge(runs, runs[1])
    assert (runs[1] / "checkpoint" / WEIGHTS).read_bytes() == before
    with pytest.raises(ConfigError, match="named twice: expected each checkpoint once"):
        merge([runs[0], runs[0] / "checkpoint"], tmp_path)


def test_weights_in_several_files_and_tokenizers_of_other_files_are_merged_too(
    hub_checkpoint: Path, tmp_path: Path
) -> None:
    """Models of others: their weights may be parted, their tokenizer a vocab.txt."""
    parts = [tmp_path / "one", tmp_path / "other"]
    for factor, folder in enumerate(parts, start=1):
        model = BertForTokenClassification.from_pretrained(hub_checkpoint)
        model.classifier.weight.data *= factor
        model.save_pretrained(folder, max_shard_size="50KB")
        pieces = sorted((vocabulary := tiny_tokenizer().get_vocab()), key=vocabulary.__getitem__)
        (folder / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    assert not (parts[0] / WEIGHTS).exists()
    folder, _ = merge(parts, tmp_path / "merged")
    heads = [
        load_model(Checkpoint.open(path), device=torch.device("cpu"), dtype=torch.float32).classifier.weight
        for path in (folder, *parts)
    ]
    assert torch.allclose(heads[0], (heads[1] + heads[2]) / 2, atol=1e-3)
    assert [file.name for file in folder.glob("*.safetensors*")] == [WEIGHTS]
    (parts[1] / "vocab.txt").unlink()
    tiny_tokenizer().save_pretrained(parts[1])
    with pytest.raises(ConfigError, match=r"other: its tokenizer\.json differs"):
        merge(parts, tmp_path / "out")


def test_fewer_epochs_than_asked_for_are_an_error(runs: list[Path]) -> None:
    assert len(last_epochs(runs[0] / "trainer", 2)) == 2
    with pytest.raises(ConfigError, match="2 checkpoints: expected 3"):
        last_epochs(runs[0] / "trainer", 3)
