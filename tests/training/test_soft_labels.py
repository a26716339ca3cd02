"""What teachers think of texts without annotation, and that it is learnt."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification

from cardio_ner.checkpoint import MANIFEST, Checkpoint
from cardio_ner.document import DISEASE, MEDICATION, Document
from cardio_ner.encoder import wrap_tokenizer
from cardio_ner.errors import ConfigError
from cardio_ner.tagger import Tagger
from cardio_ner.tags import TagScheme
from cardio_ner.tokenization import DocumentTokenizer
from cardio_training import soft_labels
from cardio_training.dataset import IGNORED, Collator
from cardio_training.recipe import Recipe
from cardio_training.run import train
from cardio_training.soft_labels import soft_examples, unlabelled_documents
from cardio_training.trainer import grouped_loss
from tiny_models import CHARACTERS, CLINICAL_TEXT, TWO_GROUPS, tiny_tokenizer, write_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")
FILES = {"text/notes.es.jsonl.gz": 1.0, "text/notes.it.jsonl.gz": 0.5}


@pytest.fixture(scope="module")
def second_teacher(two_group_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another model of the same shape: the first one's head turned round."""
    folder = write_checkpoint(tmp_path_factory.mktemp("second"), TWO_GROUPS.head_labels, max_position_embeddings=128)
    (folder / MANIFEST).write_bytes((two_group_checkpoint / MANIFEST).read_bytes())
    model = AutoModelForTokenClassification.from_pretrained(folder)
    model.classifier.weight.data.neg_()
    model.save_pretrained(folder)
    return folder


def recipe_of(output: Path, teachers: list[Path], **changes: object) -> Recipe:
    values: dict[str, object] = {
        "output": output,
        "base_encoder": str(teachers[0]) if teachers else "none",
        "languages": ["es", "it"],
        "label_groups": [[DISEASE], [MEDICATION]],
        "window_tokens": 24,
        "overlap_tokens": 8,
        "teachers": [str(teacher) for teacher in teachers],
        "unlabelled": FILES,
    }
    return Recipe.model_validate(values | changes)


def test_the_labels_are_the_mean_of_the_teachers_probabilities(
    two_group_checkpoint: Path, second_teacher: Path, tokenizer: DocumentTokenizer, text_data: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(tmp_path, [two_group_checkpoint, second_teacher])
    examples = soft_examples(recipe, tokenizer, text_data)
    documents = unlabelled_documents(recipe, text_data)
    opinions = []
    for teacher in (two_group_checkpoint, second_teacher):
        found = Tagger.load(teacher, device="cpu").label_probabilities(documents)
        opinions.append(np.exp(np.concatenate([logp_TK for _, _, logp_TK in found])))
    assert not np.allclose(*opinions, atol=0.1)
    soft, ids = (
        np.load(tmp_path / soft_labels.FILE),
        np.concatenate([t.ids for t in tokenizer([d.text for d in documents])]),
    )
    assert np.allclose(soft, sum(opinions) / 2, atol=2e-3)
    for example in examples[:20]:
        size = len(example.ids)
        places = [at for at in range(len(ids) - size + 1) if (ids[at : at + size] == example.ids).all()]
        assert any((example.soft == soft[at : at + size]).all() for at in places)
    for columns in TWO_GROUPS.slices:
        assert np.allclose(soft[:, columns].sum(axis=1), 1, atol=5e-3)
    assert all((example.tags == IGNORED).all() for example in examples)
    assert max(len(example.ids) for example in examples) == 22


def test_a_share_of_a_files_texts_is_read_and_always_the_same(text_data: Path, tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, [Path("unused")])
    documents = unlabelled_documents(recipe, text_data)
    assert documents == unlabelled_documents(recipe, text_data)
    everything = unlabelled_documents(recipe.model_copy(update={"unlabelled": dict.fromkeys(FILES, 1.0)}), text_data)
    counts = {
        code: [sum(d.language == code for d in some) for some in (documents, everything)] for code in ("es", "it")
    }
    assert counts["es"][0] == counts["es"][1]
    assert 0 < counts["it"][0] < counts["it"][1]


def test_another_vocabulary_is_met_where_tokens_begin_together(two_group_checkpoint: Path) -> None:
    spelled = tiny_tokenizer()
    vocabulary = {
        p: row for row, p in enumerate(["[UNK]", "[CLS]", "[SEP]", *CHARACTERS, *(f"##{c}" for c in CHARACTERS)])
    }
    spelled.backend_tokenizer.model = type(spelled.backend_tokenizer.model)(vocabulary, unk_token="[UNK]")
    student = wrap_tokenizer(spelled)
    document = Document("a", "es", CLINICAL_TEXT)
    (letters,) = student([CLINICAL_TEXT])
    teacher = Checkpoint.open(two_group_checkpoint)
    ((_, theirs, logp_TK),) = Tagger.load(teacher, device="cpu").label_probabilities([document])
    (soft,) = soft_labels._label(TWO_GROUPS, [teacher], [document], [letters])
    assert len(letters) > 2 * len(theirs)
    shared = np.isin(letters.starts, theirs.starts)
    assert shared.sum() == len(theirs)
    assert np.allclose(soft[shared], np.exp(logp_TK), atol=1e-3)
    assert not soft[~shared].any()


def test_they_are_computed_once_for_the_same_teachers_and_texts(
    two_group_checkpoint: Path,
    tokenizer: DocumentTokenizer,
    text_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = recipe_of(tmp_path, [two_group_checkpoint])
    before = soft_examples(recipe, tokenizer, text_data)
    calls: list[int] = []
    real = soft_labels._label
    monkeypatch.setattr(soft_labels, "_label", lambda *arguments: calls.append(1) or real(*arguments))
    again = soft_examples(recipe, tokenizer, text_data)
    assert not calls
    assert all((a.soft == b.soft).all() for a, b in zip(before, again, strict=True))
    fewer = recipe.model_copy(update={"unlabelled": {"text/notes.es.jsonl.gz": 0.5}})
    assert len(soft_examples(fewer, tokenizer, text_data)) < len(before)
    assert calls == [1]
    turned = fewer.model_copy(update={"label_groups": ((MEDICATION,), (DISEASE,))})
    assert soft_examples(turned, tokenizer, text_data)
    assert calls == [1, 1]


def changed(checkpoint: Path, folder: Path, **values: object) -> Path:
    """A copy of a checkpoint, its manifest changed."""
    shutil.copytree(checkpoint, folder)
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    (folder / MANIFEST).write_text(json.dumps(manifest | values), encoding="utf-8")
    return folder


def test_a_teacher_labels_texts_of_its_own_languages(
    two_group_checkpoint: Path, second_teacher: Path, tokenizer: DocumentTokenizer, text_data: Path, tmp_path: Path
) -> None:
    spanish = changed(second_teacher, tmp_path / "spanish", languages=["es"])
    everyone = recipe_of(tmp_path / "all", [two_group_checkpoint, second_teacher])
    documents = unlabelled_documents(everyone, text_data)
    languages = np.repeat([d.language for d in documents], [len(t) for t in tokenizer([d.text for d in documents])])
    labels = {}
    for name, teachers in {
        "both": [two_group_checkpoint, second_teacher],
        "own": [two_group_checkpoint, spanish],
        "one": [two_group_checkpoint],
    }.items():
        soft_examples(recipe_of(tmp_path / name, teachers), tokenizer, text_data)
        labels[name] = np.load(tmp_path / name / soft_labels.FILE)
    assert {"es", "it"} == set(languages)
    assert np.array_equal(labels["own"][languages == "es"], labels["both"][languages == "es"])
    assert np.array_equal(labels["own"][languages == "it"], labels["one"][languages == "it"])
    assert not np.allclose(labels["both"], labels["one"], atol=0.1)
    with pytest.raises(ConfigError, match="texts in 'it': expected a teacher of that language"):
        soft_examples(recipe_of(tmp_path / "none", [spanish]), tokenizer, text_data)


def test_texts_of_a_language_that_the_recipe_does_not_name_are_refused(
    two_group_checkpoint: Path, tokenizer: DocumentTokenizer, text_data: Path, tmp_path: Path
) -> None:
    """Their language would be learnt, and the manifest would not tell."""
    recipe = recipe_of(tmp_path, [two_group_checkpoint], languages=["es", "en"])
    with pytest.raises(ConfigError, match="unlabelled: texts in 'it': expected the recipe's languages, es, en; name"):
        soft_examples(recipe, tokenizer, text_data)


@pytest.mark.parametrize(
    "told",
    [
        {"recipe": {"labelled": "words"}},
        {"recipe": {"merged": [{"labelled": "tokens"}, {"labelled": "words"}]}},
        {"recipe": {"labelled": "tokens", "epochs": 0}, "training_data": {"labelled": "words"}},
        {"recipe": {}, "training_data": {"merged": [{"labelled": "words"}, {"labelled": "tokens"}]}},
    ],
)
def test_of_a_teacher_that_learnt_words_first_tokens_those_alone_count(
    two_group_checkpoint: Path,
    second_teacher: Path,
    tokenizer: DocumentTokenizer,
    text_data: Path,
    tmp_path: Path,
    told: dict[str, object],
) -> None:
    of_words = changed(second_teacher, tmp_path / "words", **told)
    labels = {}
    for name, teachers in {
        "both": [two_group_checkpoint, second_teacher],
        "first": [two_group_checkpoint],
        "mixed": [two_group_checkpoint, of_words],
        "alone": [of_words],
    }.items():
        its = recipe_of(tmp_path / name, teachers)
        soft_examples(its, tokenizer, text_data)
        labels[name] = np.load(tmp_path / name / soft_labels.FILE)
    begins = np.concatenate([t.begins_word for t in tokenizer([d.text for d in unlabelled_documents(its, text_data)])])
    assert 0 < (~begins).sum() < len(begins)
    assert np.array_equal(labels["mixed"][begins], labels["both"][begins])
    assert np.array_equal(labels["mixed"][~begins], labels["first"][~begins])
    assert not labels["alone"][~begins].any()


def test_labels_kept_of_all_tokens_of_such_a_teacher_are_made_again(
    second_teacher: Path, tokenizer: DocumentTokenizer, text_data: Path, tmp_path: Path
) -> None:
    """A manifest's recipe is no part of the model_id."""
    soft_examples(recipe_of(tmp_path / "run", [second_teacher]), tokenizer, text_data)
    of_words = changed(second_teacher, tmp_path / "words", recipe={"labelled": "words"})
    assert Checkpoint.open(of_words).model_id == Checkpoint.open(second_teacher).model_id
    before = np.load(tmp_path / "run" / soft_labels.FILE)
    soft_examples(recipe_of(tmp_path / "run", [of_words]), tokenizer, text_data)
    assert not np.array_equal(np.load(tmp_path / "run" / soft_labels.FILE), before)


def test_a_teacher_labels_the_groups_that_it_has(
    two_group_checkpoint: Path, hub_checkpoint: Path, tokenizer: DocumentTokenizer, text_data: Path, tmp_path: Path
) -> None:
    medications = TagScheme.of([MEDICATION])
    second = write_checkpoint(tmp_path / "second", medications.head_labels, max_position_embeddings=64)
    for name, teachers in {"both": [two_group_checkpoint, second], "one": [two_group_checkpoint]}.items():
        soft_examples(recipe_of(tmp_path / name, teachers), tokenizer, text_data)
    both, one = (np.load(tmp_path / name / soft_labels.FILE) for name in ("both", "one"))
    assert np.array_equal(both[:, :3], one[:, :3])
    assert not np.allclose(both[:, 3:], one[:, 3:], atol=0.05)
    assert np.allclose(both[:, 3:].sum(axis=1), 1, atol=5e-3)
    with pytest.raises(ConfigError, match=r"none has the label group .*DISEASE.*expected those of the recipe"):
        soft_examples(recipe_of(tmp_path / "none", [second]), tokenizer, text_data)
    with pytest.raises(ConfigError, match=r"hub.* has no label group of the recipe's"):
        soft_examples(recipe_of(tmp_path / "stranger", [two_group_checkpoint, hub_checkpoint]), tokenizer, text_data)


def test_the_loss_of_soft_labels_that_are_sure_is_that_of_hard_ones() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 4, 6), torch.randint(0, 3, (2, 2, 4))
    labels[1, 1] = IGNORED
    soft = torch.zeros(2, 4, 6)
    for g, columns in enumerate(TWO_GROUPS.slices):
        for b in range(2):
            for t in range(4):
                if labels[b, g, t] != IGNORED:
                    soft[b, t, columns.start + labels[b, g, t]] = 1
    unknown = torch.full_like(labels, IGNORED)
    expected = grouped_loss(logits, labels, TWO_GROUPS)
    assert torch.allclose(grouped_loss(logits, unknown, TWO_GROUPS, soft), expected)
    both = grouped_loss(
        torch.cat([logits, logits]), torch.cat([labels, unknown]), TWO_GROUPS, torch.cat([soft * 0, soft])
    )
    assert torch.allclose(both, expected)


def test_words_alone_are_labelled_softly_too(
    two_group_checkpoint: Path, tokenizer: DocumentTokenizer, text_data: Path, tmp_path: Path
) -> None:
    examples = soft_examples(recipe_of(tmp_path, [two_group_checkpoint]), tokenizer, text_data)[:4]
    for words_only in (False, True):
        batch = Collator(tokenizer, None, 0.0, words_only)(examples)
        labelled = batch["soft"].sum(-1) > 0
        for b, example in enumerate(examples):
            expected = example.begins_word if words_only else np.ones(len(example.ids), dtype=bool)
            assert labelled[b, 1 : len(expected) + 1].tolist() == expected.tolist()
        assert not labelled[:, 0].any()


def test_a_student_takes_its_teachers_opinion(
    two_group_checkpoint: Path, second_teacher: Path, text_data: Path, tmp_path: Path
) -> None:
    changes = {"epochs": 12, "learning_rate": 5e-3, "token_masking": 0.0, "train_weight": 0, "batch_windows": 8}
    recipe = recipe_of(tmp_path / "run", [second_teacher], base_encoder=str(two_group_checkpoint), **changes)
    folder = train(recipe, data=text_data)
    documents = unlabelled_documents(recipe, text_data)
    teacher, before, after = (
        np.concatenate([logp_TK for _, _, logp_TK in Tagger.load(path, device="cpu").label_probabilities(documents)])
        for path in (second_teacher, two_group_checkpoint, folder)
    )
    apart = [float(np.abs(np.exp(teacher) - np.exp(logp)).mean()) for logp in (before, after)]
    assert apart[1] < 0.4 * apart[0], apart  # the gold alone brings it to 0.6
    told = Checkpoint.open(folder).manifest.training_data
    assert told["unlabelled"] == FILES
    assert len(told["teachers"]) == 1


def test_a_run_does_not_go_on_with_another_teacher_of_the_same_name(
    two_group_checkpoint: Path, second_teacher: Path, text_data: Path, tmp_path: Path
) -> None:
    teacher = tmp_path / "teacher"
    shutil.copytree(two_group_checkpoint, teacher)
    recipe = recipe_of(tmp_path / "run", [teacher], base_encoder=str(two_group_checkpoint), epochs=1)
    shutil.rmtree(train(recipe, data=text_data))  # as of a run that was killed
    shutil.copytree(second_teacher, teacher, dirs_exist_ok=True)
    with pytest.raises(ConfigError, match=r"the teacher .*teacher has changed since: give another output"):
        train(recipe, data=text_data)
