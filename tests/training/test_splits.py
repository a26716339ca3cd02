"""Which documents are learnt, how often."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from cardio_ner.corpus.multicardioner import read_multicardioner
from cardio_ner.document import DISEASE, MEDICATION, Document
from cardio_ner.errors import ConfigError
from cardio_ner.tokenization import DocumentTokenizer
from cardio_training.dataset import EncodingReport
from cardio_training.recipe import Recipe
from cardio_training.splits import Split, check_annotated, check_documents, examples_of


def recipe_of(**changes: object) -> Recipe:
    values = {"output": "out", "base_encoder": "base", "languages": ["es"], "label_groups": [[DISEASE]]}
    return Recipe.model_validate(values | {"window_tokens": 24, "overlap_tokens": 4} | changes)


@pytest.fixture
def count(official_data: Path, tokenizer: DocumentTokenizer) -> object:
    corpus = read_multicardioner(official_data, "es")

    def examples(**changes: object) -> tuple[int, int]:
        recipe, report = recipe_of(**changes), EncodingReport()
        windows = examples_of(recipe, [Split.of(corpus, recipe)], tokenizer, report)
        return len(windows), report.n_mentions

    return examples


def test_weights_repeat_windows_and_count_mentions_once(count: object) -> None:
    both, mentions = count()
    cardiology, cardiology_mentions = count(train_weight=0)
    assert 0 < cardiology < both
    assert 0 < cardiology_mentions < mentions
    assert count(train_weight=2, cardioccc_weight=3) == (2 * (both - cardiology) + 3 * cardiology, mentions)


def test_the_held_out_fold_is_learnt_by_nothing_and_null_learns_all(official_data: Path) -> None:
    corpus = read_multicardioner(official_data, "es")
    split = Split.of(corpus, recipe_of(held_out_fold=1))
    assert split.held_out == corpus.fold(1)[1]
    assert not set(split.learnt) & set(split.held_out)
    assert split.learnt == corpus.fold(1)[0]
    assert Split.of(corpus, recipe_of(held_out_fold=None)).learnt == corpus.train + corpus.dev
    assert Split.of(corpus, recipe_of(held_out_fold=1, train_weight=0)).learnt == split.cardioccc


@pytest.mark.parametrize(
    ("language", "groups", "said"),
    [
        (
            "es",
            [["DISEASE"], ["MEDICATIONS"]],
            r"label_groups: no corpus of es annotates MEDICATIONS: .*DISEASE, MEDICA",
        ),
        ("en", [[DISEASE]], r"label_groups: no corpus of en annotates DISEASE: expected types of MEDICATION"),
        ("it", [[MEDICATION, DISEASE]], r"no corpus of it annotates MEDICATION\+DISEASE"),
    ],
)
def test_a_label_group_that_no_corpus_annotates_is_refused(
    official_data: Path, language: str, groups: list[list[str]], said: str
) -> None:
    recipe = recipe_of(languages=[language], label_groups=groups)
    splits = [Split.of(read_multicardioner(official_data, language), recipe)]
    with pytest.raises(ConfigError, match=said):
        check_annotated(recipe, splits)
    taught = {"teachers": ["runs/teacher/checkpoint"], "unlabelled": {"text/notes.jsonl": 1}}
    check_annotated(recipe.model_copy(update=taught), splits)
    check_annotated(recipe.model_copy(update={"epochs": 0}), splits)


def test_a_fold_that_holds_nothing_out_and_a_corpus_without_a_text_are_refused(official_data: Path) -> None:
    whole = read_multicardioner(official_data, "es")
    one = replace(whole, dev=whole.dev[:1], dev_names=whole.dev_names[:1])
    blank = replace(whole, train=(Document("a", "es", " \n"),), dev=whole.dev[:1], dev_names=whole.dev_names[:1])
    for corpus, changes, said in (
        (one, {"held_out_fold": 1}, "held_out_fold 1: it has no document in es: expected some to score on"),
        (one, {"train_weight": 0}, "languages es: no document with a text is left to learn from"),
        (blank, {}, "languages es: no document with a text is left to learn from"),
        (one, {}, None),
        (one, {"held_out_fold": None, "train_weight": 0}, None),
        (one, {"train_weight": 0, "epochs": 0}, None),
    ):
        recipe = recipe_of(**changes)
        with pytest.raises(ConfigError, match=said) if said else nullcontext():
            check_documents(recipe, [Split.of(corpus, recipe)])


def test_a_label_group_that_one_of_the_languages_annotates_is_learnt(official_data: Path) -> None:
    recipe = recipe_of(languages=["es", "en"], label_groups=[[DISEASE], [MEDICATION]])
    check_annotated(recipe, [Split.of(read_multicardioner(official_data, code), recipe) for code in recipe.languages])
