"""The real training run, on a tiny corpus and a tiny encoder, until it knows the corpus by heart."""

import gzip
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

from cardio_ner.checkpoint import MANIFEST, WEIGHTS, Checkpoint
from cardio_ner.corpus.multicardioner import read_multicardioner
from cardio_ner.document import DISEASE, MEDICATION
from cardio_ner.engine.loading import load_model
from cardio_ner.errors import ConfigError, CorpusError
from cardio_ner.evaluation import strict_score
from cardio_ner.tagger import Tagger
from cardio_training import run
from cardio_training.building import build_model
from cardio_training.curves import training_panels
from cardio_training.dataset import IGNORED, documents_digest
from cardio_training.provenance import check_fold_is_unseen, learnt_words_alone, read_folds
from cardio_training.recipe import Recipe
from cardio_training.run import train
from cardio_training.starting import MANIFEST as PRETRAINING
from cardio_training.trainer import grouped_loss, layered
from svg_files import curves_of, scaled, texts_of
from tiny_models import TWO_GROUPS

pytestmark = pytest.mark.usefixtures("one_thread")

N_EPOCHS = 30
ROOT = Path(__file__).parents[2]


def recipe_of(output: Path, base_encoder: Path, **changes: object) -> Recipe:
    values: dict[str, object] = {
        "output": output,
        "base_encoder": str(base_encoder),
        "languages": ["es"],
        "label_groups": [[DISEASE], [MEDICATION]],
        "window_tokens": 48,
        "overlap_tokens": 16,
        "epochs": N_EPOCHS,
        "batch_windows": 4,
        "learning_rate": 5e-3,
        "token_masking": 0.0,
    }
    return Recipe.model_validate(values | changes)


@pytest.fixture(scope="module")
def trained(
    one_thread: None, hub_checkpoint: Path, official_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Recipe:
    """A finished run; the base is a model with another head, as an encoder from the hub may be."""
    recipe = recipe_of(tmp_path_factory.mktemp("run"), hub_checkpoint)
    assert train(recipe, data=official_data) == recipe.output / "checkpoint"
    return recipe


def head_of(folder: Path) -> torch.Tensor:
    model = load_model(Checkpoint.open(folder), device=torch.device("cpu"), dtype=torch.float32)
    return torch.cat([model.classifier.weight, model.classifier.bias[:, None]], dim=1)


def test_the_checkpoint_reopens_and_knows_the_training_documents_by_heart(
    hub_checkpoint: Path, official_data: Path, tmp_path: Path
) -> None:
    """Without a held-out fold the last epoch is kept, so this does not hang on which epoch a tiny fold prefers."""
    folder = train(recipe_of(tmp_path, hub_checkpoint, epochs=60, held_out_fold=None), data=official_data)
    corpus = read_multicardioner(official_data, "es")
    learnt = corpus.train + corpus.dev
    found = list(Tagger.load(folder, device="cpu").tag(learnt))
    for entity_type in (DISEASE, MEDICATION):
        assert strict_score(learnt, found, entity_type=entity_type).f1 >= 0.95


def test_the_manifest_says_what_it_was_trained_on_and_how(trained: Recipe, official_data: Path) -> None:
    manifest = Checkpoint.open(trained.output / "checkpoint").manifest
    learnt, _ = read_multicardioner(official_data, "es").fold(0)
    assert manifest.languages == ("es",)
    assert manifest.label_groups == tuple(group.labels for group in TWO_GROUPS.groups)
    assert (manifest.window_tokens, manifest.overlap_tokens, manifest.boundaries) == (48, 16, "token")
    assert manifest.base_encoder == trained.base_encoder
    assert manifest.training_data["sha256"] == documents_digest(learnt)
    assert manifest.training_data["documents"] == len(learnt) == 11
    assert manifest.training_data["held_out_fold"] == 0
    assert manifest.training_data["base_encoder"] == trained.base_encoder
    assert manifest.training_data["kept_epoch"] == "best"
    assert manifest.training_data["n_mentions"] == 44
    assert manifest.recipe == trained.model_dump(mode="json")
    assert manifest.licence == trained.licence


def test_the_manifests_scores_are_those_of_the_checkpoint_on_the_held_out_documents(
    trained: Recipe, official_data: Path
) -> None:
    manifest = Checkpoint.open(trained.output / "checkpoint").manifest
    _, held_out = read_multicardioner(official_data, "es").fold(0)
    found = list(Tagger.load(trained.output / "checkpoint", device="cpu").tag(held_out))
    assert set(manifest.dev_scores["strict_f1"]) == {"es/DISEASE", "es/MEDICATION"}
    for entity_type in (DISEASE, MEDICATION):
        expected = strict_score(held_out, found, entity_type=entity_type).f1
        assert manifest.dev_scores["strict_f1"][f"es/{entity_type}"] == pytest.approx(expected, abs=0.01)
    assert "fold 0 of 5" in manifest.dev_scores["data"]
    assert manifest.dev_scores["seed"] == trained.seed


def test_weights_are_fp16_safetensors_and_no_pickle(trained: Recipe) -> None:
    folder = trained.output / "checkpoint"
    model = load_model(Checkpoint.open(folder), device=torch.device("cpu"), dtype=torch.float32)
    n_parameters = sum(p.numel() for p in model.parameters())
    assert (folder / "model.safetensors").stat().st_size < 2 * n_parameters + 10_000
    assert not list(folder.glob("*.bin"))
    assert not list(folder.glob("*.pt"))


def test_each_epoch_was_scored_and_the_history_kept(trained: Recipe) -> None:
    history = json.loads((trained.output / "history.json").read_text(encoding="utf-8"))
    assert sum("eval_strict_f1" in entry for entry in history) == N_EPOCHS
    assert any("loss" in entry or "train_loss" in entry for entry in history)


def test_the_curves_of_the_history_are_drawn_beside_it(trained: Recipe) -> None:
    history = json.loads((trained.output / "history.json").read_text(encoding="utf-8"))
    picture = trained.output / "curves.svg"
    panels = training_panels(history)
    labels = {label for panel in panels for label in (panel.x_label, panel.y_label)}
    assert labels == {"epoch", "loss (nats)", "strict F1 (%)", "learning rate"}
    title = f"{trained.output.name}: es, fold 0 held out"
    assert {title, *labels, "es/DISEASE", "es/MEDICATION", "mean"} <= set(texts_of(picture))
    scores = [(entry["epoch"], entry["eval_es_DISEASE"]) for entry in history if "eval_es_DISEASE" in entry]
    assert len(scores) == N_EPOCHS
    assert scaled(scores) in curves_of(picture)


def test_a_finished_run_gives_its_checkpoint_again_without_training(trained: Recipe, official_data: Path) -> None:
    folder = trained.output / "checkpoint"
    before = Checkpoint.open(folder).model_id
    states = {path.name for path in (trained.output / "trainer").iterdir()}
    shutil.rmtree(folder)
    assert train(trained, data=official_data) == folder
    assert Checkpoint.open(folder).model_id == before
    assert {path.name for path in (trained.output / "trainer").iterdir()} == states


def test_a_stopped_run_goes_on_where_it_stopped(
    hub_checkpoint: Path, official_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken = recipe_of(tmp_path / "unbroken", hub_checkpoint, epochs=2, held_out_fold=None)
    train(unbroken, data=official_data)
    stopped = unbroken.model_copy(update={"output": tmp_path / "stopped"})
    first_half = sorted((unbroken.output / "trainer").glob("checkpoint-*"), key=lambda p: int(p.name[11:]))[0]
    shutil.copytree(first_half, stopped.output / "trainer" / first_half.name)
    given: list[object] = []
    plain = run.NerTrainer.training_step

    def counted(self: run.NerTrainer, *args: object, **kwargs: object) -> torch.Tensor:
        given.append(self.state.global_step)
        return plain(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(run.NerTrainer, "training_step", counted)
    train(stopped, data=official_data)
    assert given[0] == int(first_half.name[11:]) == len(given)
    assert torch.allclose(head_of(stopped.output / "checkpoint"), head_of(unbroken.output / "checkpoint"), atol=1e-3)


def test_a_run_that_goes_on_draws_what_the_unbroken_one_would(
    hub_checkpoint: Path, official_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[torch.Tensor] = []
    plain = run.NerTrainer.training_step

    def kept(self: run.NerTrainer, model: torch.nn.Module, inputs: dict[str, torch.Tensor], *rest: object) -> object:
        read.append(inputs["input_ids"].clone())
        return plain(self, model, inputs, *rest)

    monkeypatch.setattr(run.NerTrainer, "training_step", kept)
    drawn = {"token_masking": 0.3, "mention_replacement": 0.5, "hidden_dropout": 0.1}
    unbroken = recipe_of(tmp_path / "unbroken", hub_checkpoint, epochs=2, held_out_fold=None, **drawn)
    train(unbroken, data=official_data)
    expected = read.copy()
    read.clear()
    first, _ = sorted((unbroken.output / "trainer").glob("checkpoint-*"), key=lambda p: int(p.name[11:]))
    stopped = unbroken.model_copy(update={"output": tmp_path / "stopped"})
    shutil.copytree(first, stopped.output / "trainer" / first.name)
    train(stopped, data=official_data)
    assert len(read) == len(expected) / 2
    for found, same in zip(read, expected[len(read) :], strict=True):
        assert torch.equal(found, same)
    assert torch.equal(head_of(stopped.output / "checkpoint"), head_of(unbroken.output / "checkpoint"))
    assert not any(torch.equal(one, other) for one, other in zip(expected[: len(read)], read, strict=True))


def test_another_recipe_may_not_go_on_in_the_folder_of_a_run(
    hub_checkpoint: Path, official_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = recipe_of(tmp_path, hub_checkpoint, epochs=1)
    folder = train(first, data=official_data)
    before = Checkpoint.open(folder).manifest
    for key, value, said in (("held_out_fold", 1, "0, the recipe says 1"), ("seed", 14, "13, the recipe says 14")):
        with pytest.raises(ConfigError, match=rf"begun with {key} {said}: give another output"):
            train(first.model_copy(update={key: value}), data=official_data)
    assert Checkpoint.open(folder).manifest == before
    monkeypatch.setattr(run.NerTrainer, "training_step", None)
    assert train(first.model_copy(update={"licence": "another"}), data=official_data) == folder
    assert Checkpoint.open(folder).manifest.licence == "another"


def test_the_weights_can_be_the_mean_of_the_last_epochs(
    hub_checkpoint: Path, official_data: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(tmp_path, hub_checkpoint, epochs=3, averaged_epochs=2)
    folder = train(recipe, data=official_data)
    epochs = [load_file(path / WEIGHTS) for path in sorted((tmp_path / "trainer").glob("checkpoint-*"))]
    found = load_file(folder / WEIGHTS)
    assert len(epochs) == 2
    for name, value in found.items():
        assert torch.allclose(value.float(), (epochs[0][name] + epochs[1][name]) / 2, atol=1e-3), name
    assert not torch.allclose(found["classifier.weight"].float(), epochs[1]["classifier.weight"], atol=1e-3)


def test_an_early_best_epoch_takes_no_place_among_the_last(
    hub_checkpoint: Path, official_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.9, 0.5, 0.6, 0.7])
    monkeypatch.setattr(run.NerTrainer, "score", lambda _: {("es", DISEASE): next(scores)})
    train(recipe_of(tmp_path, hub_checkpoint, epochs=4, averaged_epochs=2), data=official_data)
    steps = sorted(int(path.name[11:]) for path in (tmp_path / "trainer").glob("checkpoint-*"))
    assert steps[1] == 4 * (steps[1] - steps[0])
    assert len(steps) == 2


def test_what_was_done_with_a_finished_checkpoint_stays(
    hub_checkpoint: Path, official_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(tmp_path, hub_checkpoint, epochs=1)
    manifest = train(recipe, data=official_data) / MANIFEST
    told = json.loads(manifest.read_text(encoding="utf-8")) | {"temperatures": [1.5, 0.7]}
    manifest.write_text(json.dumps(told), encoding="utf-8")
    monkeypatch.setattr(run, "build_model", None)
    train(recipe, data=official_data)
    assert Checkpoint.open(manifest.parent).manifest.temperatures == (1.5, 0.7)


def test_a_run_whose_folder_was_moved_keeps_its_best_epoch(
    hub_checkpoint: Path, official_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.9, 0.5])
    monkeypatch.setattr(run.NerTrainer, "score", lambda _: {("es", DISEASE): next(scores)})
    recipe = recipe_of(tmp_path / "here", hub_checkpoint, epochs=2)
    before = head_of(train(recipe, data=official_data))
    shutil.rmtree(tmp_path / "here/checkpoint")  # as of a run that was killed when it had trained
    (tmp_path / "here").rename(tmp_path / "there")
    moved = recipe.model_copy(update={"output": tmp_path / "there"})
    assert torch.equal(head_of(train(moved, data=official_data)), before)


def test_a_vocabulary_that_other_texts_would_give_is_not_gone_on_with(text_data: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(text_data, tmp_path / "data"))
    shorter = {"epochs": 1, "held_out_fold": None, "vocabulary_pieces": 1000}
    recipe = recipe_of(tmp_path / "run", ROOT / "src/cardio_ner/models/es", **shorter)
    folder = train(recipe, data=data)
    assert Checkpoint.open(folder).model_id
    shutil.rmtree(folder)
    train(recipe, data=data)
    shutil.rmtree(folder)
    more = "".join(json.dumps({"lang": "es", "text": f"otra palabra nueva: {n} disnea"}) + "\n" for n in range(300))
    (data / "text/more.es.jsonl.gz").write_bytes(gzip.compress(more.encode()))
    with pytest.raises(ConfigError, match="the trimmed vocabulary, by the texts that it is counted in, has changed"):
        train(recipe, data=data)


def test_another_tokenizer_does_not_go_on_with_what_the_first_has_taught(
    checkpoint_copy: Path, official_data: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(tmp_path / "run", checkpoint_copy, epochs=1, held_out_fold=None)
    shutil.rmtree(train(recipe, data=official_data))  # as of a run that was killed
    file = checkpoint_copy / "tokenizer.json"
    told = json.loads(file.read_text(encoding="utf-8"))
    told["normalizer"]["lowercase"] = False
    file.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(ConfigError, match="the tokenizer of base_encoder has changed since: give another output"):
        train(recipe, data=official_data)
    begun = tmp_path / "run/run.json"
    begun.write_text(json.dumps(json.loads(begun.read_text()) | {"digests": {}}), encoding="utf-8")
    assert train(recipe, data=official_data).is_dir(), "a run of before there was a digest goes on"


def test_several_gpus_are_refused(
    hub_checkpoint: Path, official_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ConfigError, match="2 GPUs: training takes one: set CUDA_VISIBLE_DEVICES=0"):
        train(recipe_of(tmp_path / "run", hub_checkpoint), data=official_data)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("kept_epoch", "place"), [("best", 0), ("last", -1)])
def test_the_fold_chooses_the_epoch_unless_the_last_is_asked_for(
    kept_epoch: str,
    place: int,
    hub_checkpoint: Path,
    official_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores = iter([0.9, 0.5])
    monkeypatch.setattr(run.NerTrainer, "score", lambda _: {("es", DISEASE): next(scores)})
    folder = train(recipe_of(tmp_path, hub_checkpoint, epochs=2, kept_epoch=kept_epoch), data=official_data)
    steps = sorted((tmp_path / "trainer").glob("checkpoint-*"), key=lambda path: int(path.name[11:]))
    assert len(steps) == 2
    expected, found = load_file(steps[place] / WEIGHTS), load_file(folder / WEIGHTS)
    assert torch.allclose(found["classifier.weight"].float(), expected["classifier.weight"], atol=1e-3)
    heads = [load_file(step / WEIGHTS)["classifier.weight"] for step in steps]
    assert not torch.allclose(*heads, atol=1e-3)


def test_replaced_mentions_and_words_first_tokens_reach_the_model(
    hub_checkpoint: Path, official_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, torch.Tensor]] = []
    plain = run.NerTrainer.compute_loss

    def kept(self: run.NerTrainer, model: torch.nn.Module, inputs: dict[str, torch.Tensor], **rest: object) -> object:
        seen.append({name: tensor.clone() for name, tensor in inputs.items()})
        return plain(self, model, inputs, **rest)

    monkeypatch.setattr(run.NerTrainer, "compute_loss", kept)
    changes = {"epochs": 1, "held_out_fold": None, "batch_windows": 100}
    for name, more in {
        "plain": {},
        "new": {"mention_replacement": 1.0, "labelled": "words", "boundaries": "word"},
    }.items():
        train(recipe_of(tmp_path / name, hub_checkpoint, **(changes | more)), data=official_data)
    before, after = seen
    assert (before["labels"][:, :, 1:] != IGNORED).sum() > (after["labels"][:, :, 1:] != IGNORED).sum() > 0
    assert sorted(map(tuple, before["input_ids"].tolist())) != sorted(map(tuple, after["input_ids"].tolist()))


def test_each_layer_learns_more_slowly_than_the_one_above(
    hub_checkpoint: Path, official_data: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(tmp_path, hub_checkpoint, layer_decay=0.5, learning_rate=0.8)
    model, _ = build_model(recipe, [], official_data)
    parameters = list(model.parameters())
    groups = layered([{"params": parameters, "lr": 0.8, "weight_decay": 0.1}], model, 0.5)
    rates = {p: group["lr"] for group in groups for p in group["params"]}
    assert len(rates) == len(parameters) == sum(len(group["params"]) for group in groups)
    assert {group["weight_decay"] for group in groups} == {0.1}
    assert rates[model.classifier.weight] == 0.8
    assert rates[model.bert.encoder.layer[1].output.dense.bias] == pytest.approx(0.4)
    assert rates[model.bert.encoder.layer[0].output.dense.bias] == pytest.approx(0.2)
    assert rates[model.bert.embeddings.word_embeddings.weight] == pytest.approx(0.1)


def test_a_fold_that_the_base_or_a_teacher_has_learnt_is_refused_before_anything_is_trained(
    trained: Recipe, hub_checkpoint: Path, official_data: Path, tmp_path: Path
) -> None:
    learnt = trained.output / "checkpoint"
    with pytest.raises(ConfigError, match=r"held_out_fold 1: .*checkpoint has learnt documents of it"):
        train(recipe_of(tmp_path / "base", learnt, held_out_fold=1), data=official_data)
    teachers = {"teachers": [str(learnt)], "unlabelled": {"text/absent.jsonl": 1}}
    with pytest.raises(ConfigError, match="has learnt documents of it"):
        train(recipe_of(tmp_path / "student", hub_checkpoint, held_out_fold=2, **teachers), data=official_data)
    assert list(tmp_path.iterdir()) == []
    check_fold_is_unseen(recipe_of(tmp_path, learnt, held_out_fold=0))
    check_fold_is_unseen(recipe_of(tmp_path, learnt, held_out_fold=None))


def test_a_fold_whose_texts_the_encoder_has_read_is_warned_of(
    trained: Recipe, hub_checkpoint: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    first, second = (Path(shutil.copytree(hub_checkpoint, tmp_path / name)) for name in ("first", "second"))
    for folder, base, folds in ((first, "a hub's/name", [3, 4]), (second, str(first), [])):
        told = {"base_encoder": base, "cardioccc_folds": folds, "texts": {"cardioccc": {"es": 1.0} if folds else {}}}
        (folder / PRETRAINING).write_text(json.dumps({"recipe": told}), encoding="utf-8")
    grown = Path(shutil.copytree(trained.output / "checkpoint", tmp_path / "grown"))
    manifest = json.loads((grown / MANIFEST).read_text(encoding="utf-8"))
    (grown / MANIFEST).write_text(json.dumps(manifest | {"base_encoder": str(second)}), encoding="utf-8")
    for base, fold in ((first, 0), (second, 2), (grown, 0), (hub_checkpoint, 3)):
        check_fold_is_unseen(recipe_of(tmp_path, base, held_out_fold=fold))
    assert [str(w.message) for w in recwarn if "pre-training" in str(w.message)] == []
    for base in (first, second):
        with pytest.warns(UserWarning, match=f"held_out_fold 4: .*{base.name} has read its texts in pre-training"):
            check_fold_is_unseen(recipe_of(tmp_path, base, held_out_fold=4))
    assert read_folds(str(grown)) == {3, 4}
    assert read_folds(str(ROOT / "models/encoder")) == {3, 4}
    (grown / MANIFEST).write_text(json.dumps(manifest | {"base_encoder": str(grown)}), encoding="utf-8")
    assert read_folds(str(grown)) == set()  # it names itself


def test_new_heads_are_drawn_alike_whatever_the_seed(hub_checkpoint: Path, official_data: Path, tmp_path: Path) -> None:
    heads = []
    for seed in (1, 2):
        model, _ = build_model(recipe_of(tmp_path, hub_checkpoint, seed=seed), [], official_data)
        heads.append(model.classifier.weight.data)
    assert torch.equal(*heads)
    assert heads[0].std() > 0


def test_a_run_of_no_epochs_takes_what_its_base_has_learnt_and_nothing_else(
    trained: Recipe, hub_checkpoint: Path, official_data: Path, tmp_path: Path
) -> None:
    taken = {"epochs": 0, "held_out_fold": None}
    folder = trained.output / "checkpoint"
    recipe = recipe_of(tmp_path / "one", folder, label_groups=[[MEDICATION]], **taken)
    assert torch.equal(head_of(train(recipe, data=official_data)), head_of(folder)[3:])
    for base, groups, there in (
        (hub_checkpoint, [[DISEASE]], "none"),
        (tmp_path / "one/checkpoint", [[MEDICATION], [DISEASE]], "MEDICATION"),
        (folder, [[DISEASE, MEDICATION]], "DISEASE, MEDICATION"),
    ):
        lacking = recipe_of(tmp_path / "lacking", base, label_groups=groups, **taken)
        with pytest.raises(
            ConfigError, match=rf"no label group DISEASE.*: expected one .* \({there}\), or epochs above 0"
        ):
            train(lacking, data=official_data)
    assert not (tmp_path / "lacking").exists()


def test_a_run_of_no_epochs_on_words_first_tokens_says_so_and_reads_no_others(
    two_group_checkpoint: Path, official_data: Path, tmp_path: Path
) -> None:
    taught = recipe_of(tmp_path / "words", two_group_checkpoint, epochs=1, labelled="words", boundaries="word")
    base = train(taught, data=official_data)
    recipe = recipe_of(tmp_path / "taken", base, epochs=0, boundaries="word")
    taken = Checkpoint.open(train(recipe, data=official_data)).manifest
    assert taken.recipe["labelled"] == "tokens"
    assert learnt_words_alone(taken)
    with pytest.raises(ConfigError, match=r"boundaries token: .* has learnt each word's first token alone.*: expected"):
        train(recipe_of(tmp_path / "tokens", base, epochs=0), data=official_data)
    further = recipe_of(tmp_path / "further", base, epochs=1)
    assert not learnt_words_alone(Checkpoint.open(train(further, data=official_data)).manifest)


def test_a_run_over_all_documents_is_unscored(hub_checkpoint: Path, official_data: Path, tmp_path: Path) -> None:
    recipe = recipe_of(
        tmp_path, hub_checkpoint, epochs=1, held_out_fold=None, languages=["es", "it"], token_masking=0.1
    )
    manifest = Checkpoint.open(train(recipe, data=official_data)).manifest
    assert manifest.dev_scores == {}
    assert manifest.training_data["documents"] == 26
    assert manifest.languages == ("es", "it")


@pytest.mark.parametrize("label_groups", [[[MEDICATION]], [[MEDICATION], [DISEASE]], [[DISEASE], [MEDICATION]]])
def test_a_second_stage_starts_from_the_heads_of_the_first(
    trained: Recipe, official_data: Path, tmp_path: Path, label_groups: list[list[str]]
) -> None:
    folder = trained.output / "checkpoint"
    model, _ = build_model(recipe_of(tmp_path, folder, label_groups=label_groups), [], official_data)
    head = torch.cat([model.classifier.weight, model.classifier.bias[:, None]], dim=1)
    rows = {DISEASE: slice(0, 3), MEDICATION: slice(3, 6)}
    assert torch.equal(head, torch.cat([head_of(folder)[rows[name]] for (name,) in label_groups]))


def test_a_head_of_other_label_groups_is_not_taken_over_though_it_is_as_wide(
    trained: Recipe, hub_checkpoint: Path, official_data: Path, tmp_path: Path
) -> None:
    groups = {"label_groups": [["SYMPTOM"], [MEDICATION]]}
    heads = []
    for base in (trained.output / "checkpoint", hub_checkpoint):
        model, _ = build_model(recipe_of(tmp_path, base, **groups), [], official_data)
        heads.append(torch.cat([model.classifier.weight, model.classifier.bias[:, None]], dim=1))
    known, new = head_of(trained.output / "checkpoint"), slice(0, 3)
    assert torch.equal(heads[0][3:], known[3:])
    assert not torch.allclose(heads[0][new], known[new], atol=1e-2)
    assert torch.equal(heads[0][new], heads[1][new])


def test_a_second_stage_over_one_group_learns_and_opens(trained: Recipe, official_data: Path, tmp_path: Path) -> None:
    second = recipe_of(
        tmp_path,
        trained.output / "checkpoint",
        languages=["it"],
        label_groups=[[MEDICATION]],
        epochs=2,
        learning_rate=1e-3,
    )
    folder = train(second, data=official_data)
    learnt, _ = read_multicardioner(official_data, "it").fold(0)
    assert Checkpoint.open(folder).scheme.head_labels == ("O", "B-MEDICATION", "I-MEDICATION")
    assert strict_score(learnt, list(Tagger.load(folder, device="cpu").tag(learnt))).f1 >= 0.9


def test_a_type_that_no_corpus_annotates_is_refused_before_anything_is_trained(
    hub_checkpoint: Path, official_data: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(tmp_path / "run", hub_checkpoint, languages=["en"], label_groups=[[DISEASE]])
    with pytest.raises(ConfigError, match="no corpus of en annotates DISEASE"):
        train(recipe, data=official_data)
    assert not (tmp_path / "run").exists()


def test_a_corpus_that_leaves_nothing_to_learn_is_refused_before_anything_is_trained(
    hub_checkpoint: Path, official_data: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(official_data, tmp_path / "data"))
    for file in (data / "multicardioner").rglob("cardioccc_dev/**/case*"):
        if file.stem != "case006":
            file.unlink()
    with pytest.raises(ConfigError, match="no document with a text is left to learn from"):
        train(recipe_of(tmp_path / "run", hub_checkpoint, train_weight=0), data=data)
    assert not (tmp_path / "run").exists()


def test_windows_longer_than_the_base_has_positions_are_refused(
    hub_checkpoint: Path, official_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="window_tokens 65: the base encoder has 64 positions: set window_tokens to"):
        train(recipe_of(tmp_path / "run", hub_checkpoint, window_tokens=65), data=official_data)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("held_out_fold", [0, None])
def test_a_run_that_diverges_is_told_so_and_leaves_no_checkpoint(
    held_out_fold: int | None, hub_checkpoint: Path, official_data: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(tmp_path, hub_checkpoint, learning_rate=1e30, epochs=2, held_out_fold=held_out_fold)
    with pytest.raises(ConfigError, match=r"learning_rate 1e\+30: the weights are no finite numbers any more: exp"):
        train(recipe, data=official_data)
    assert not (tmp_path / "checkpoint").exists()


def test_a_run_without_data_says_where_they_are_expected(hub_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no multicardioner/track2 inside"):
        train(recipe_of(tmp_path / "run", hub_checkpoint), data=tmp_path)
    assert not (tmp_path / "run").exists()


def test_the_loss_is_the_sum_over_groups_of_the_mean_over_labelled_tokens() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 4, 6)
    labels = torch.randint(0, 3, (2, 2, 4))
    labels[0, 0, 2:] = IGNORED
    labels[1, 1] = IGNORED
    expected = sum(
        cross_entropy(logits[..., columns][labels[:, g] != IGNORED], labels[:, g][labels[:, g] != IGNORED])
        for g, columns in enumerate(TWO_GROUPS.slices)
    )
    assert grouped_loss(logits, labels, TWO_GROUPS).item() == pytest.approx(float(expected), abs=1e-5)


def test_a_group_without_any_label_adds_nothing_and_learns_nothing() -> None:
    logits = torch.randn(2, 4, 6, requires_grad=True)
    labels = torch.zeros(2, 2, 4, dtype=torch.long)
    labels[:, 0] = IGNORED
    loss = grouped_loss(logits, labels, TWO_GROUPS)
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert (logits.grad[..., :3] == 0).all()
    assert (logits.grad[..., 3:] != 0).any()
