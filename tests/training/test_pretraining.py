"""The real pre-training run on tiny texts and a tiny encoder: it learns, resumes, and leaves what fine-tuning takes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoTokenizer, TrainerCallback

from cardio_ner.document import DISEASE
from cardio_ner.encoder import choose_device, choose_dtype
from cardio_ner.errors import ConfigError
from cardio_training import pretraining
from cardio_training.pretraining import hidden_logits, pretrain, start_encoder
from cardio_training.pretraining_recipe import PretrainingRecipe, read_pretraining_recipe
from cardio_training.recipe import Recipe
from cardio_training.run import train

pytestmark = pytest.mark.usefixtures("one_thread")

ROOT = Path(__file__).parents[2]


def recipe_of(small: PretrainingRecipe, output: Path, base: Path, **changes: object) -> PretrainingRecipe:
    values = small.model_dump() | {"output": output, "base_encoder": str(base), **changes}
    return PretrainingRecipe.model_validate(values)


@pytest.fixture(scope="module")
def finished(
    one_thread: None,
    text_data: Path,
    small_recipe: PretrainingRecipe,
    two_group_checkpoint: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> PretrainingRecipe:
    """A run that nothing stopped."""
    recipe = recipe_of(small_recipe, tmp_path_factory.mktemp("run"), two_group_checkpoint, keep_at=[0.5], tokens=10_000)
    assert pretrain(recipe, data=text_data) == recipe.output / "encoder"
    return recipe


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_the_curves_hold_loss_and_accuracy_per_language_and_the_loss_falls(finished: PretrainingRecipe) -> None:
    history = json.loads((finished.output / "history.json").read_text())
    scored = [entry for entry in history if "eval_es_loss" in entry]
    assert [entry["step"] for entry in scored] == [0, 6, 12, 18, 24, 30, 36, 39]
    for language in ("es", "en", "it"):
        assert scored[-1][f"eval_{language}_loss"] < 0.7 * scored[0][f"eval_{language}_loss"]
        assert scored[-1][f"eval_{language}_accuracy"] > scored[0][f"eval_{language}_accuracy"]


def test_the_encoder_is_fp16_and_says_what_it_was_made_from(finished: PretrainingRecipe, text_data: Path) -> None:
    folder = finished.output / "encoder"
    assert {tensor.dtype for tensor in weights_of(folder).values()} == {torch.float16}
    facts = json.loads((folder / "pretraining.json").read_text())
    assert facts["step"] == finished.steps == 39
    assert facts["tokens"] == 39 * 8 * 32
    assert facts["recipe"]["masking"] == 0.25
    assert {region["source"] for region in facts["texts"]["regions"]} >= {"text/notes.it.jsonl.gz", "held out"}
    kept = json.loads((finished.output / "encoder-50/pretraining.json").read_text())
    assert kept["step"] == 20
    middle, end = weights_of(finished.output / "encoder-50"), weights_of(folder)
    assert middle.keys() == end.keys()
    assert not all(torch.equal(middle[name], end[name]) for name in end)


def test_a_killed_run_goes_on_where_it_last_saved_and_ends_with_the_same_weights(
    finished: PretrainingRecipe, text_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Kill(TrainerCallback):
        def on_step_end(self, args: object, state: object, control: object, **_: object) -> None:
            if state.global_step == 17:
                raise KeyboardInterrupt

    broken = finished.model_copy(update={"output": tmp_path})
    plain = pretraining.MaskedWordTrainer.__init__

    def killed(self: pretraining.MaskedWordTrainer, **kwargs: object) -> None:
        plain(self, **{**kwargs, "callbacks": [*kwargs["callbacks"], Kill()]})

    monkeypatch.setattr(pretraining.MaskedWordTrainer, "__init__", killed)
    with pytest.raises(KeyboardInterrupt):
        pretrain(broken, data=text_data)
    monkeypatch.undo()
    assert sorted(path.name for path in (tmp_path / "trainer").glob("checkpoint-*")) == [
        "checkpoint-12",
        "checkpoint-16",
    ]
    pretrain(broken, data=text_data)
    expected, found = weights_of(finished.output / "encoder"), weights_of(tmp_path / "encoder")
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    first_of_resumed = json.loads((tmp_path / "history.json").read_text())
    assert [e["step"] for e in first_of_resumed if "eval_es_loss" in e][-1] == 39


def test_the_output_layer_sees_the_hidden_tokens_alone_and_answers_as_the_whole_model_would(
    finished: PretrainingRecipe,
) -> None:
    model = AutoModelForMaskedLM.from_pretrained(finished.output / "encoder", dtype=torch.float32).eval()
    ids = torch.randint(5, 50, (3, 16), generator=torch.Generator().manual_seed(1))
    labels = torch.full_like(ids, -100)
    labels[0, 3] = labels[2, 5] = 7
    with torch.inference_mode():
        logits_NV, labels_N = hidden_logits(model, {"input_ids": ids, "labels": labels})
        whole = model(input_ids=ids).logits
    assert labels_N.tolist() == [7, 7]
    assert torch.allclose(logits_NV, torch.stack([whole[0, 3], whole[2, 5]]), atol=1e-5)


def test_fine_tuning_starts_from_the_encoder(finished: PretrainingRecipe, text_data: Path, tmp_path: Path) -> None:
    recipe = Recipe.model_validate(
        {
            "output": tmp_path,
            "base_encoder": str(finished.output / "encoder"),
            "languages": ["es"],
            "label_groups": [[DISEASE]],
            "window_tokens": 48,
            "overlap_tokens": 16,
            "epochs": 1,
            "batch_windows": 4,
        }
    )
    folder = train(recipe, data=text_data)
    assert json.loads((folder / "config.json").read_text())["vocab_size"] == len(AutoTokenizer.from_pretrained(folder))


def test_it_computes_in_the_precision_that_the_device_is_fast_in(
    small_recipe: PretrainingRecipe,
    text_data: Path,
    two_group_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = set()

    def watched(model: object, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        logits, labels = hidden_logits(model, inputs)
        seen.add(logits.dtype)
        return logits, labels

    monkeypatch.setattr(pretraining, "hidden_logits", watched)
    pretrain(recipe_of(small_recipe, tmp_path, two_group_checkpoint, vocabulary=None, tokens=256), data=text_data)
    assert seen == {choose_dtype("auto", choose_device())}


def test_without_a_vocabulary_of_its_own_the_encoder_keeps_the_base_one(
    small_recipe: PretrainingRecipe, text_data: Path, two_group_checkpoint: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(small_recipe, tmp_path, two_group_checkpoint, vocabulary=None)
    start = start_encoder(recipe, data=text_data)
    assert (
        AutoTokenizer.from_pretrained(start).get_vocab()
        == AutoTokenizer.from_pretrained(two_group_checkpoint).get_vocab()
    )
    old = weights_of(two_group_checkpoint)["bert.embeddings.word_embeddings.weight"]
    assert torch.equal(weights_of(start)["bert.embeddings.word_embeddings.weight"], old.half())


def test_a_start_that_stands_is_not_made_again(finished: PretrainingRecipe, text_data: Path) -> None:
    before = (finished.output / "start/model.safetensors").stat().st_mtime_ns
    assert start_encoder(finished, data=text_data) == finished.output / "start"
    assert (finished.output / "start/model.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"texts": {}}, "texts: Value error, expected a file or a language with a weight above 0"),
        ({"texts": {"train": {"fr": 1}}}, "Input should be 'es', 'en' or 'it'"),
        ({"warmup_share": 0.6, "decay_share": 0.6}, "expected a sum of at most 1"),
        ({"keep_at": [1.5]}, "expected shares between 0 and 1"),
        ({"row_tokens": 100}, "multiple of 8"),
        ({"cardioccc_folds": [5]}, "less than 5"),
        ({"maskin": 0.2}, "maskin: Extra inputs are not permitted"),
    ],
)
def test_an_illegal_recipe_is_refused_with_its_key(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        read_pretraining_recipe(ROOT / "conf/pretraining.yaml", changes)


def test_the_shipped_recipe_is_legal_and_keeps_folds_unseen() -> None:
    recipe = read_pretraining_recipe(ROOT / "conf/pretraining.yaml")
    assert recipe.cardioccc_folds == (3, 4)
    assert recipe.vocabulary is not None
    assert recipe.vocabulary.pieces == 24_000
    assert all(0 <= weight <= 12 for weight in recipe.texts.files.values())


def test_the_commands_learn_a_vocabulary_measure_it_and_pretrain(
    text_data: Path, two_group_checkpoint: Path, small_recipe: PretrainingRecipe, tmp_path: Path
) -> None:
    recipe = recipe_of(small_recipe, tmp_path / "run", two_group_checkpoint, tokens=512)
    file = tmp_path / "recipe.yaml"
    file.write_text(recipe.model_dump_json(), encoding="utf-8")  # JSON is YAML

    def run(script: str, *more: str) -> str:
        command = [sys.executable, f"training/{script}.py", str(file), "--data", str(text_data), *more]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    table = run("vocabulary")
    assert "on folds [0, 1, 2, 3, 4] of cardioccc_dev" in " ".join(table.split())
    assert (tmp_path / "run/start/tokenizer.json").exists()
    assert f"encoder: {tmp_path / 'run/encoder'}" in run("pretrain", "--set", "learning_rate=1e-3")
    shutil.rmtree(tmp_path / "run")


def test_a_wrong_override_of_the_command_line_is_explained() -> None:
    command = [sys.executable, "training/pretrain.py", "conf/pretraining.yaml", "--set", "tokens"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: --set 'tokens': expected key=value, such as --set epochs=2\n"
