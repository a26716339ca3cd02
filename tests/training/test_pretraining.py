"""The real pre-training run on tiny texts and a tiny encoder: it learns, resumes, and leaves what fine-tuning takes."""

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    DistilBertConfig,
    DistilBertForMaskedLM,
    TrainerCallback,
    get_scheduler,
)

from cardio_ner.document import DISEASE
from cardio_ner.encoder import choose_device, choose_dtype
from cardio_ner.errors import ConfigError
from cardio_training import masked_words
from cardio_training.dataset import IGNORED
from cardio_training.masked_words import HIDDEN_STEP, hidden_logits
from cardio_training.masking import MaskingCollator, RowsInOrder, word_starts
from cardio_training.packing import PackedTexts, Region
from cardio_training.pretraining import _arguments, pretrain
from cardio_training.pretraining_recipe import PretrainingRecipe, read_pretraining_recipe
from cardio_training.recipe import Recipe
from cardio_training.run import train
from cardio_training.starting import start_encoder
from svg_files import curves_of, scaled, texts_of

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


def scored_steps(output: Path) -> list[int]:
    history = json.loads((output / "history.json").read_text())
    return [entry["step"] for entry in history if "eval_es_loss" in entry]


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_the_curves_hold_loss_and_accuracy_per_language_and_the_loss_falls(finished: PretrainingRecipe) -> None:
    assert scored_steps(finished.output) == [0, 6, 12, 18, 24, 30, 36, 39]
    history = json.loads((finished.output / "history.json").read_text())
    scored = [entry for entry in history if "eval_es_loss" in entry]
    for language in ("es", "en", "it"):
        assert scored[-1][f"eval_{language}_loss"] < 0.7 * scored[0][f"eval_{language}_loss"]
        assert scored[-1][f"eval_{language}_accuracy"] > scored[0][f"eval_{language}_accuracy"]
    losses = [(entry["step"], entry["eval_it_loss"]) for entry in scored]
    assert scaled(losses) in curves_of(finished.output / "curves.svg")
    assert {"step", "hidden tokens told right (%)"} <= set(texts_of(finished.output / "curves.svg"))
    with_the_encoder = json.loads((finished.output / "encoder/history.json").read_text())
    assert with_the_encoder[: len(history)] == history


def test_the_encoder_is_fp16_and_says_what_it_was_made_from(finished: PretrainingRecipe, text_data: Path) -> None:
    folder = finished.output / "encoder"
    assert {tensor.dtype for tensor in weights_of(folder).values()} == {torch.float16}
    facts = json.loads((folder / "pretraining.json").read_text())
    assert facts["step"] == finished.steps == 39
    assert facts["tokens"] == 39 * 8 * 32
    assert facts["recipe"]["masking"] == 0.25
    assert {region["source"] for region in facts["texts"]["regions"]} >= {"text/notes.it.jsonl.gz", "held out"}
    kept = json.loads((finished.output / "encoder-50/pretraining.json").read_text())
    assert (kept["step"], kept["tokens"]) == (20, 20 * 8 * 32)
    assert facts["held_out"].keys() == {
        f"eval_{code}_{what}" for code in ("es", "en", "it") for what in ("loss", "accuracy")
    }
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
    plain = masked_words.MaskedWordTrainer.__init__

    def killed(self: masked_words.MaskedWordTrainer, **kwargs: object) -> None:
        plain(self, **{**kwargs, "callbacks": [*kwargs["callbacks"], Kill()]})

    monkeypatch.setattr(masked_words.MaskedWordTrainer, "__init__", killed)
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
    assert scored_steps(tmp_path) == scored_steps(finished.output)


def test_the_output_layer_sees_the_hidden_tokens_alone_and_answers_as_the_whole_model_would(
    finished: PretrainingRecipe,
) -> None:
    model = AutoModelForMaskedLM.from_pretrained(finished.output / "encoder", dtype=torch.float32).eval()
    ids = torch.randint(5, 50, (3, 16), generator=torch.Generator().manual_seed(1))
    labels = torch.full_like(ids, IGNORED)
    labels[0, 3] = labels[2, 5] = 7
    with torch.inference_mode():
        logits_NV, labels_N = hidden_logits(model, {"input_ids": ids, "labels": labels})
        whole = model(input_ids=ids).logits
    assert labels_N.tolist() == [7, 7] + [IGNORED] * (HIDDEN_STEP - 2)
    assert torch.allclose(logits_NV[:2], torch.stack([whole[0, 3], whole[2, 5]]), atol=1e-5)


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

    monkeypatch.setattr(masked_words, "hidden_logits", watched)
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


def test_another_recipe_may_not_go_on_in_the_folder(finished: PretrainingRecipe, text_data: Path) -> None:
    faster = finished.model_copy(update={"learning_rate": 0.5})
    with pytest.raises(ConfigError, match=r"begun with learning_rate 0\.005, the recipe says 0\.5: give another"):
        pretrain(faster, data=text_data)
    with pytest.raises(ConfigError, match="begun with seed 13, the recipe says 14"):
        start_encoder(finished.model_copy(update={"seed": 14}), data=text_data)
    scored_oftener = finished.model_copy(update={"score_every_tokens": 256})
    assert pretrain(scored_oftener, data=text_data) == finished.output / "encoder"


def test_another_tokenizer_does_not_go_on_in_the_folder(
    finished: PretrainingRecipe, text_data: Path, tmp_path: Path
) -> None:
    """As where the start was made again of texts that have changed."""
    shutil.copytree(finished.output, tmp_path / "run")
    stopped = finished.model_copy(update={"output": tmp_path / "run"})
    file = stopped.output / "start/tokenizer.json"
    told = json.loads(file.read_text(encoding="utf-8"))
    told["normalizer"] = None
    file.write_text(json.dumps(told), encoding="utf-8")
    assert pretrain(stopped, data=text_data) == stopped.output / "encoder", "one that has ended is left as it is"
    shutil.rmtree(stopped.output / "encoder")
    with pytest.raises(ConfigError, match=r"the tokenizer of the start, whose vocabulary .*, has changed since: give"):
        pretrain(stopped, data=text_data)


def test_other_texts_do_not_go_on_in_the_folder(finished: PretrainingRecipe, text_data: Path, tmp_path: Path) -> None:
    shutil.copytree(finished.output, tmp_path / "run")
    data = shutil.copytree(text_data, tmp_path / "data")
    stopped = finished.model_copy(update={"output": tmp_path / "run"})
    shutil.rmtree(stopped.output / "encoder")
    with gzip.open(data / "text/notes.it.jsonl.gz", "at", encoding="utf-8") as file:
        file.write(f"{json.dumps({'lang': 'it', 'text': 'Terapia con apixaban. ' * 50})}\n")
    with pytest.raises(ConfigError, match="what the texts hold has changed since: give another output"):
        pretrain(stopped, data=data)
    assert pretrain(stopped, data=text_data) == stopped.output / "encoder", "with the texts of then it goes on"


def test_a_base_that_is_no_bert_with_wordpieces_is_refused(
    small_recipe: PretrainingRecipe, text_data: Path, two_group_checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="row_tokens 1024: the base encoder has 128 positions"):
        start_encoder(recipe_of(small_recipe, tmp_path / "a", two_group_checkpoint, row_tokens=1024), data=text_data)
    tokenizer = AutoTokenizer.from_pretrained(two_group_checkpoint)
    config = DistilBertConfig(vocab_size=len(tokenizer), dim=32, n_layers=1, n_heads=2, hidden_dim=64)
    DistilBertForMaskedLM(config).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    with pytest.raises(ConfigError, match="distilbert with WordPiece pieces: pre-training expects a bert"):
        start_encoder(recipe_of(small_recipe, tmp_path / "b", tmp_path / "base"), data=text_data)


def test_the_learning_rate_rises_stands_and_falls_to_nought(small_recipe: PretrainingRecipe) -> None:
    recipe = small_recipe.model_copy(update={"tokens": 100 * 8 * 32, "warmup_share": 0.1, "decay_share": 0.2})
    arguments = _arguments(recipe, score_first=False)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = get_scheduler(
        arguments.lr_scheduler_type,
        optimizer,
        arguments.warmup_steps,
        arguments.max_steps,
        arguments.lr_scheduler_kwargs,
    )
    rates = []
    for _ in range(101):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[0] == 0
    assert rates[5] == pytest.approx(0.5)
    assert set(rates[10:81]) == {1.0}
    assert rates[90] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0)


def test_scores_are_those_of_the_hidden_tokens_counted_by_hand(
    finished: PretrainingRecipe,
) -> None:
    facts = json.loads((finished.output / "encoder/pretraining.json").read_text())
    texts = PackedTexts(
        np.fromfile(finished.output / "tokens/ids.u16", np.uint16).reshape(-1, 30),
        tuple(Region(**region) for region in facts["texts"]["regions"]),
        "",
    )
    tokenizer = AutoTokenizer.from_pretrained(finished.output / "encoder")
    collator = MaskingCollator((2,), (3,), 4, tuple(tokenizer.all_special_ids), word_starts(tokenizer), 0.25, 13)
    batch = collator(
        [RowsInOrder.held_out(texts, "it", 384)[n] for n in range(len(RowsInOrder.held_out(texts, "it", 384)))]
    )
    model = AutoModelForMaskedLM.from_pretrained(finished.output / "encoder", dtype=torch.float32).eval()
    with torch.inference_mode():
        logits = model(input_ids=batch["input_ids"]).logits
    hidden = batch["labels"] != -100
    right = (logits.argmax(-1) == batch["labels"])[hidden].float().mean()
    loss = torch.nn.functional.cross_entropy(logits[hidden], batch["labels"][hidden])
    assert facts["held_out"]["eval_it_accuracy"] == pytest.approx(float(right), abs=0.02)
    assert facts["held_out"]["eval_it_loss"] == pytest.approx(float(loss), rel=0.01)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"texts": {}}, "texts: Value error, expected a file or a language with a weight above 0"),
        ({"texts": {"train": {"fr": 1}}}, "Input should be 'es', 'en' or 'it'"),
        ({"warmup_share": 0.6, "decay_share": 0.6}, "expected a sum of at most 1"),
        ({"keep_at": [1.5]}, "expected shares between 0 and 1"),
        ({"row_tokens": 100}, "multiple of 8"),
        ({"cardioccc_folds": [5]}, "less than 5"),
        ({"cardioccc_folds": []}, "cardioccc_folds: expected the folds to read"),
        ({"keep_at": [0.333, 0.334]}, "expected shares that differ by a hundredth"),
        ({"keep_at": [0.31, 0.33], "tokens": 75_000}, r"of 9 steps that is after \[3, 3\]: expected different ones"),
        ({"keep_at": [0.01], "tokens": 75_000}, r"of 9 steps that is after \[0\]: expected different ones, above 0"),
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
