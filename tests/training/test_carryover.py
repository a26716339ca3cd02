"""Carrying an encoder over to a new vocabulary: which row comes from where."""

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForMaskedLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from cardio_training.carryover import CarryOver, carry_over
from cardio_training.vocabulary import SPECIAL
from tiny_models import tiny_tokenizer


@pytest.fixture
def old(two_group_checkpoint: Path) -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(two_group_checkpoint)


@pytest.fixture
def model(two_group_checkpoint: Path) -> PreTrainedModel:
    torch.manual_seed(1)
    return AutoModelForMaskedLM.from_pretrained(two_group_checkpoint)


def wordpiece_of(pieces: list[str]) -> PreTrainedTokenizerFast:
    """The tiny tokenizer over other pieces."""
    spec = json.loads(tiny_tokenizer().backend_tokenizer.to_str())
    spec["model"]["vocab"] = {piece: row for row, piece in enumerate([*SPECIAL.values(), *pieces])}
    spec["added_tokens"] = []
    spec["padding"] = spec["truncation"] = None
    for special in spec["post_processor"]["special_tokens"].values():
        special["ids"] = [spec["model"]["vocab"][token] for token in special["tokens"]]
    names = {f"{name}_token": piece for name, piece in SPECIAL.items()}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(spec)), **names)


def rows(model: PreTrainedModel) -> torch.Tensor:
    return model.get_input_embeddings().weight.detach().clone()


def test_rows_are_copied_composed_or_drawn(model: PreTrainedModel, old: PreTrainedTokenizerFast) -> None:
    new = wordpiece_of(["dolor", "##osis", "heparinaaspirina", "##orina", "Ω"])
    before, at = rows(model), old.get_vocab()
    assert carry_over(model, old, new, seed=3) == CarryOver(copied=5 + 2, composed=2, drawn=1)
    after, now = rows(model), new.get_vocab()
    for piece in (*SPECIAL.values(), "dolor", "##osis"):
        assert torch.equal(after[now[piece]], before[at[piece]]), piece
    letters = "aspirina"
    spelt = [at["heparina"], *(at[f"##{c}"] for c in letters[:-3]), at["##ina"]]
    assert torch.allclose(after[now["heparinaaspirina"]], before[spelt].mean(dim=0))
    inner = [at["##or"], at["##ina"]]
    assert torch.allclose(after[now["##orina"]], before[inner].mean(dim=0))
    assert after[now["Ω"]].isfinite().all()
    assert not (after[now["Ω"]] == before).all(dim=1).any()


def test_the_output_layer_follows_and_all_else_stays(model: PreTrainedModel, old: PreTrainedTokenizerFast) -> None:
    kept = {name: p.detach().clone() for name, p in model.named_parameters() if "word_embeddings" not in name}
    new = wordpiece_of(["dolor", "infarto"])
    carry_over(model, old, new, seed=3)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert model.config.vocab_size == len(new) == model.get_output_embeddings().bias.shape[0]
    for name, parameter in model.named_parameters():
        if "word_embeddings" not in name and "predictions" not in name:
            assert torch.equal(parameter, kept[name]), name


def test_a_text_of_shared_pieces_gets_the_same_vectors(model: PreTrainedModel, old: PreTrainedTokenizerFast) -> None:
    text = "dolor aortica infarto"
    with torch.inference_mode():
        before = model.base_model(torch.tensor([old.encode(text)])).last_hidden_state
        new = wordpiece_of(["infarto", "dolor", "aortica"])
        carry_over(model, old, new, seed=3)
        after = model.base_model(torch.tensor([new.encode(text)])).last_hidden_state
    assert torch.allclose(before, after, atol=1e-6)


def test_every_learnt_piece_gets_a_row(
    model: PreTrainedModel, old: PreTrainedTokenizerFast, learnt: PreTrainedTokenizerFast
) -> None:
    counts = carry_over(model, old, learnt, seed=3)
    assert counts.copied + counts.composed + counts.drawn == len(learnt) == len(rows(model))
    assert rows(model).isfinite().all()
    assert counts.copied > 40


def test_the_bias_of_the_output_layer_follows_its_piece(model: PreTrainedModel, old: PreTrainedTokenizerFast) -> None:
    bias = model.get_output_embeddings().bias
    torch.nn.init.normal_(bias)
    before, at = bias.detach().clone(), old.get_vocab()
    new = wordpiece_of(["infarto", "##orina", "Ω"])
    carry_over(model, old, new, seed=3)
    after, now = model.get_output_embeddings().bias.detach(), new.get_vocab()
    assert after[now["infarto"]] == before[at["infarto"]]
    assert torch.isclose(after[now["##orina"]], before[[at["##or"], at["##ina"]]].mean())
    assert torch.isclose(after[now["Ω"]], before.mean())
