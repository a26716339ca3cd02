"""Texts packed into rows: nothing lost but a source's last tokens, nothing tokenised twice, held-out texts apart."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from cardio_ner.errors import ConfigError
from cardio_training.packing import PackedTexts, pack_texts
from cardio_training.pretraining_recipe import PretrainingRecipe, Texts
from cardio_training.texts import _corpus, is_held_out, read_source, sources_of

INNER_TOKENS = 30


@pytest.fixture(scope="module")
def packed(
    text_data: Path,
    small_recipe: PretrainingRecipe,
    bert_tokenizer: PreTrainedTokenizerFast,
    tmp_path_factory: pytest.TempPathFactory,
) -> PackedTexts:
    return pack_texts(small_recipe, bert_tokenizer, text_data, tmp_path_factory.mktemp("packed") / "tokens")


def expected_ids(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> list[int]:
    """Ids of the texts with a separator after each."""
    return [i for text in texts for i in (*tokenizer.encode(text, add_special_tokens=False), tokenizer.sep_token_id)]


def test_rows_hold_the_texts_of_a_source_in_order(
    packed: PackedTexts, small_recipe: PretrainingRecipe, bert_tokenizer: PreTrainedTokenizerFast, text_data: Path
) -> None:
    sources = sources_of(small_recipe.texts, ())
    learnt = [region for region in packed.regions if not region.held_out]
    assert [(r.source, r.weight) for r in learnt] == [(s.name, s.weight) for s in sources]
    for region, source in zip(learnt, sources, strict=True):
        texts = [text for _, text in read_source(source, text_data) if not is_held_out(text, 0.2)]
        ids = expected_ids(bert_tokenizer, texts)
        rows = packed.ids[region.first : region.first + region.rows]
        assert rows.shape == (len(ids) // INNER_TOKENS, INNER_TOKENS)
        assert rows.flatten().tolist() == ids[: rows.size]


def test_held_out_texts_stand_in_rows_of_their_language_and_nowhere_else(
    packed: PackedTexts, small_recipe: PretrainingRecipe, bert_tokenizer: PreTrainedTokenizerFast, text_data: Path
) -> None:
    assert packed.languages() == ["en", "es", "it"]
    for region in packed.regions:
        if region.held_out:
            texts = [
                text
                for source in sources_of(small_recipe.texts, ())
                for language, text in read_source(source, text_data)
                if language == region.language and is_held_out(text, 0.2)
            ]
            ids = expected_ids(bert_tokenizer, texts)
            rows = packed.ids[region.first : region.first + region.rows]
            assert rows.flatten().tolist() == ids[: rows.size]
            assert rows.size > len(ids) - INNER_TOKENS


def test_regions_follow_one_another_and_fill_the_array(packed: PackedTexts) -> None:
    ends = np.cumsum([region.rows for region in packed.regions])
    assert [region.first for region in packed.regions] == [0, *ends[:-1]]
    assert len(packed.ids) == ends[-1]


def test_a_weight_below_one_leaves_texts_out_and_one_above_repeats_nothing_in_the_array(
    text_data: Path, small_recipe: PretrainingRecipe, bert_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    def rows(weight: float) -> tuple[int, float]:
        texts = {"files": {"text/notes.es.jsonl.gz": weight}}
        recipe = PretrainingRecipe.model_validate(small_recipe.model_dump() | {"texts": texts})
        region = pack_texts(recipe, bert_tokenizer, text_data, tmp_path / str(weight)).regions[0]
        return region.rows, region.weight

    (half, half_weight), (one, one_weight), (many, many_weight) = rows(0.5), rows(1), rows(4.5)
    assert half < 0.8 * one
    assert many == one
    assert (half_weight, one_weight, many_weight) == (1, 1, 4.5)


def test_the_array_is_written_once_and_again_for_another_recipe(
    text_data: Path, small_recipe: PretrainingRecipe, bert_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    folder = tmp_path / "tokens"
    first = pack_texts(small_recipe, bert_tokenizer, text_data, folder)
    written = (folder / "ids.u16").stat().st_mtime_ns
    assert pack_texts(small_recipe, bert_tokenizer, text_data, folder).sha256 == first.sha256
    assert (folder / "ids.u16").stat().st_mtime_ns == written
    other = small_recipe.model_copy(update={"row_tokens": 40})
    assert pack_texts(other, bert_tokenizer, text_data, folder).ids.shape[1] == 38
    assert not list(tmp_path.glob("*.building"))


def test_a_text_that_changed_is_packed_anew_and_the_digest_says_so(
    text_data: Path, small_recipe: PretrainingRecipe, bert_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(text_data, tmp_path / "data"))
    before = pack_texts(small_recipe, bert_tokenizer, data, tmp_path / "tokens").sha256
    assert before == hashlib.sha256((tmp_path / "tokens/ids.u16").read_bytes()).hexdigest()
    note = next((data / "multicardioner/track2/drugtemist_train/es/brat").glob("*.txt"))
    twin = data / "multicardioner/track1/distemist_train/brat" / note.name
    for file in (note, twin):
        file.write_text(file.read_text(encoding="utf-8").replace("dolor", "color"), encoding="utf-8")
    _corpus.cache_clear()
    assert pack_texts(small_recipe, bert_tokenizer, data, tmp_path / "tokens").sha256 != before


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"row_tokens": 65536}, "they fill no row of 65536 tokens: add texts, or lower row_tokens"),
        ({"held_out_share": 1e-9}, "held_out_share 1e-09: it leaves no row of en, es, it to score"),
    ],
)
def test_too_little_text_is_said(
    text_data: Path,
    small_recipe: PretrainingRecipe,
    bert_tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
    changes: dict[str, float],
    complaint: str,
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        pack_texts(small_recipe.model_copy(update=changes), bert_tokenizer, text_data, tmp_path / "tokens")


def test_an_empty_source_is_said(
    small_recipe: PretrainingRecipe, bert_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    (tmp_path / "empty.jsonl").touch()
    recipe = small_recipe.model_copy(update={"texts": Texts(files={"empty.jsonl": 1})})
    with pytest.raises(ConfigError, match=r"empty\.jsonl holds no text: set its weight to 0"):
        pack_texts(recipe, bert_tokenizer, tmp_path, tmp_path / "tokens")


def test_a_broken_source_leaves_no_array_behind(
    small_recipe: PretrainingRecipe, bert_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    lines = [{"lang": "es", "text": "dolor"}, {"lang": "it", "text": "dolore"}]
    (tmp_path / "mixed.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    recipe = small_recipe.model_copy(update={"texts": Texts(files={"mixed.jsonl": 1})})
    with pytest.raises(ConfigError, match=r"mixed\.jsonl is in es and it: expected one language a file"):
        pack_texts(recipe, bert_tokenizer, tmp_path, tmp_path / "tokens")
    assert not (tmp_path / "tokens").exists()


@pytest.fixture(scope="session")
def bert_tokenizer(two_group_checkpoint: Path) -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(two_group_checkpoint)
