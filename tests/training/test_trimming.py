"""Trimming a vocabulary: fewer rows, the same words, the same vectors."""

import gzip
import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.processors import BertProcessing
from transformers import AutoModelForTokenClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from cardio_ner.encoder import wrap_tokenizer
from cardio_ner.errors import ConfigError
from cardio_training import trimming
from cardio_training.trimming import count_pieces, trim_vocabulary, unlabelled_texts
from tiny_models import CHARACTERS, CLINICAL_TEXT, SPECIAL

N_NEEDED = len(SPECIAL) + 2 * len(CHARACTERS)
TEXTS = ["dolor " * 9 + "aspirina " * 8 + "infarto " * 7, "heparina " * 2 + "mg"]


@pytest.fixture
def loaded(two_group_checkpoint: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    model = AutoModelForTokenClassification.from_pretrained(two_group_checkpoint).eval()
    return model, AutoTokenizer.from_pretrained(two_group_checkpoint)


def test_the_most_used_pieces_stay_beside_all_characters_and_special_pieces(
    loaded: tuple[PreTrainedModel, PreTrainedTokenizerFast],
) -> None:
    model, tokenizer = loaded
    trimmed = trim_vocabulary(model, tokenizer, TEXTS, pieces=N_NEEDED + 3)
    kept = trimmed.get_vocab()
    assert len(kept) == len(trimmed) == N_NEEDED + 3
    assert {piece for piece in kept if len(piece.removeprefix("##")) > 1} - set(SPECIAL) == {
        "dolor",
        "aspirina",
        "infarto",
    }
    assert {prefix + c for prefix in ("", "##") for c in CHARACTERS} | set(SPECIAL) <= set(kept)
    assert sorted(kept.values()) == list(range(len(kept)))


def test_each_piece_keeps_its_row_of_the_embedding(loaded: tuple[PreTrainedModel, PreTrainedTokenizerFast]) -> None:
    model, tokenizer = loaded
    before, old = model.get_input_embeddings().weight.detach().clone(), tokenizer.get_vocab()
    trimmed = trim_vocabulary(model, tokenizer, TEXTS, pieces=N_NEEDED + 3)
    after = model.get_input_embeddings().weight.detach()
    assert after.shape == (N_NEEDED + 3, 32)
    assert model.config.vocab_size == N_NEEDED + 3
    for piece, row in trimmed.get_vocab().items():
        assert torch.equal(after[row], before[old[piece]]), piece


def test_a_text_without_dropped_pieces_gets_the_same_answer(
    loaded: tuple[PreTrainedModel, PreTrainedTokenizerFast],
) -> None:
    model, tokenizer = loaded
    text = "Aspirina, infarto: dolor 5."
    with torch.inference_mode():
        before = model(**tokenizer(text, return_tensors="pt", padding=False)).logits
        trimmed = trim_vocabulary(model, tokenizer, TEXTS, pieces=N_NEEDED + 3)
        after = model(**trimmed(text, return_tensors="pt", padding=False)).logits
    assert torch.equal(before, after)


def test_tokens_that_were_added_to_a_vocabulary_stay(
    loaded: tuple[PreTrainedModel, PreTrainedTokenizerFast], tmp_path: Path
) -> None:
    model, tokenizer = loaded
    tokenizer.add_tokens(["mmhg", "dolor"])  # one that is new, one that the vocabulary has
    model.resize_token_embeddings(len(tokenizer))
    before = model.get_input_embeddings().weight.detach().clone()
    text, old = "aspirina, 100 mmHg", tokenizer.get_vocab()
    expected = tokenizer.tokenize(text)
    trim_vocabulary(model, tokenizer, TEXTS, pieces=N_NEEDED + 4).save_pretrained(tmp_path)
    trimmed = AutoTokenizer.from_pretrained(tmp_path)
    after = model.get_input_embeddings().weight.detach()
    assert trimmed.tokenize(text) == expected
    assert "mmhg" in expected
    assert len(trimmed) == len(after) == N_NEEDED + 4
    for piece, row in trimmed.get_vocab().items():
        assert torch.equal(after[row], before[old[piece]]), piece


def test_a_word_whose_piece_was_dropped_is_spelt_and_nothing_becomes_unknown(
    loaded: tuple[PreTrainedModel, PreTrainedTokenizerFast],
) -> None:
    model, tokenizer = loaded
    trimmed = trim_vocabulary(model, tokenizer, TEXTS, pieces=N_NEEDED + 3)
    pieces = trimmed.tokenize(CLINICAL_TEXT)
    assert "[UNK]" not in pieces
    assert "amiodarona" not in pieces
    assert trimmed.tokenize("mgx") == ["m", "##g", "##x"]


def test_fewer_pieces_than_characters_still_keeps_the_characters(
    loaded: tuple[PreTrainedModel, PreTrainedTokenizerFast],
) -> None:
    model, tokenizer = loaded
    assert len(trim_vocabulary(model, tokenizer, TEXTS, pieces=1)) == N_NEEDED


@pytest.mark.parametrize("processor", ["template", "bert"])
def test_the_special_tokens_of_a_window_follow_their_new_rows(
    loaded: tuple[PreTrainedModel, PreTrainedTokenizerFast], processor: str
) -> None:
    model, tokenizer = loaded
    old = tokenizer.get_vocab()
    if processor == "bert":
        ends = ("[SEP]", old["[SEP]"]), ("[CLS]", old["[CLS]"])
        tokenizer.backend_tokenizer.post_processor = BertProcessing(*ends)
    trimmed = trim_vocabulary(model, tokenizer, TEXTS, pieces=N_NEEDED + 3)
    new, wrapped = trimmed.get_vocab(), wrap_tokenizer(trimmed)
    assert new["[CLS]"] != old["[CLS]"]
    assert (wrapped.prefix_ids, wrapped.suffix_ids) == ((new["[CLS]"],), (new["[SEP]"],))
    assert wrapped.pad_id == new["[PAD]"] == model.get_input_embeddings().padding_idx == model.config.pad_token_id
    assert trimmed.mask_token_id == new["[MASK]"]


def test_the_trimmed_tokenizer_survives_its_folder(
    loaded: tuple[PreTrainedModel, PreTrainedTokenizerFast], tmp_path: Path
) -> None:
    model, tokenizer = loaded
    trimmed = trim_vocabulary(model, tokenizer, TEXTS, pieces=N_NEEDED + 3)
    trimmed.save_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again.get_vocab() == trimmed.get_vocab()
    assert (
        wrap_tokenizer(again)([CLINICAL_TEXT])[0].ids.tolist()
        == wrap_tokenizer(trimmed)([CLINICAL_TEXT])[0].ids.tolist()
    )
    assert AutoModelForTokenClassification.from_pretrained(tmp_path).config.vocab_size == N_NEEDED + 3


def test_another_kind_of_tokenizer_is_refused(loaded: tuple[PreTrainedModel, PreTrainedTokenizerFast]) -> None:
    bpe = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(BPE()))
    with pytest.raises(ConfigError, match="expected a WordPiece encoder, got BPE"):
        trim_vocabulary(loaded[0], bpe, TEXTS, pieces=1000)


def test_pieces_are_counted_without_truncation(loaded: tuple[PreTrainedModel, PreTrainedTokenizerFast]) -> None:
    backend = loaded[1].backend_tokenizer
    backend.enable_truncation(4)
    counts = count_pieces(backend, ["dolor " * 30, "dolor mg"])
    assert counts == {backend.token_to_id("dolor"): 31, backend.token_to_id("mg"): 1}


def test_unlabelled_texts_are_read_up_to_a_bound_per_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trimming, "CHARS_PER_FILE", 10)
    for name in ("b", "a"):
        with gzip.open(tmp_path / f"{name}.jsonl.gz", "wt", encoding="utf-8") as lines:
            lines.writelines(json.dumps({"lang": "es", "text": f"{name}ó{n}--"}) + "\n" for n in range(9))
    assert list(unlabelled_texts(tmp_path, ["es"])) == ["aó0--", "aó1--", "bó0--", "bó1--"]
    assert list(unlabelled_texts(tmp_path, ["en", "it"])) == []
    assert list(unlabelled_texts(tmp_path / "nothing", ["es"])) == []
