"""What of a checkpoint's weights is refused at loading, on the packed path and on the padded one."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_equal
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForTokenClassification

from cardio_ner.checkpoint import WEIGHTS, Checkpoint
from cardio_ner.encoder import Encoder
from cardio_ner.engine.packed import PackedBert
from cardio_ner.engine.padded import PaddedModel
from cardio_ner.errors import CheckpointError
from cardio_ner.tags import Floats

pytestmark = pytest.mark.usefixtures("one_thread")
BIAS = "bert.encoder.layer.0.output.dense.bias"
PLACES = "bert.embeddings.position_embeddings.weight"


@pytest.fixture(params=["packed", "padded"])
def checkpoint(request: pytest.FixtureRequest, hub_checkpoint: Path, tmp_path: Path) -> Path:
    """Tiny, and the test may spoil it; the padded one is no BERT in its ordinary form."""
    folder = Path(shutil.copytree(hub_checkpoint, tmp_path / request.param))
    if request.param == "padded":
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"hidden_act": "relu"}))
    return folder


def with_weights(folder: Path, more: dict[str, torch.Tensor]) -> Path:
    save_file(load_file(folder / WEIGHTS) | more, folder / WEIGHTS, metadata={"format": "pt"})
    return folder


def load(folder: Path, precision: str = "fp32") -> Encoder:
    return Encoder.load(Checkpoint.open(folder), device="cpu", precision=precision)


def answers(encoder: Encoder) -> Floats:
    """[t, K] log-probabilities of a row of a few tokens."""
    (logp_TK,) = encoder.log_probabilities([np.arange(1, 9, dtype=np.int32)])
    assert np.isfinite(logp_TK).all()
    return logp_TK


def test_the_two_checkpoints_take_the_two_paths(checkpoint: Path) -> None:
    path = {"packed": PackedBert, "padded": PaddedModel}[checkpoint.name]
    assert isinstance(load(checkpoint).engine, path)


@pytest.mark.parametrize(
    "name",
    [
        "crf.transitions",
        "bert.encoder.layer.0.attention.self.distance_embedding.weight",
        "bert.encoder.layer.2.output.dense.weight",
        "lstm.weight_ih_l0",
    ],
)
def test_weights_that_would_be_left_out_are_refused_by_name(checkpoint: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match=rf"1 weights that nothing here computes with, such as \['{name}'\]"):
        load(with_weights(checkpoint, {name: torch.ones(3, 3)}))


def test_what_pre_training_leaves_in_a_file_is_passed_over(checkpoint: Path) -> None:
    names = [
        "bert.pooler.dense.weight", "bert.embeddings.position_ids", "cls.predictions.transform.dense.weight",
        "cls.predictions.bias", "cls.seq_relationship.weight", "lm_head.decoder.weight", "loss_fct.weight",
    ]  # fmt: skip
    before = answers(load(checkpoint))
    assert_equal(answers(load(with_weights(checkpoint, {name: torch.ones(3) for name in names}))), before)


def test_a_file_of_transformers_with_the_heads_of_pre_training_is_read(hub_checkpoint: Path, tmp_path: Path) -> None:
    """As BertForPreTraining and a token classifier on top of it leave it."""
    from transformers import BertForPreTraining

    config = BertConfig.from_pretrained(hub_checkpoint)
    whole = BertForPreTraining(config).state_dict() | BertForTokenClassification(config).state_dict()
    folder = shutil.copytree(hub_checkpoint, tmp_path / "whole")
    save_file({name: value.clone() for name, value in whole.items()}, folder / WEIGHTS, metadata={"format": "pt"})
    assert isinstance(load(folder).engine, PackedBert)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_finite_numbers_are_refused_by_name(checkpoint: Path, value: float) -> None:
    bias = load_file(checkpoint / WEIGHTS)[BIAS]
    bias[3] = value
    with pytest.raises(CheckpointError, match=rf"the weight {BIAS} has values that are no finite numbers"):
        load(with_weights(checkpoint, {BIAS: bias}))


def test_large_weights_whose_sum_is_too_large_for_a_float_are_numbers(checkpoint: Path) -> None:
    places = load_file(checkpoint / WEIGHTS)[PLACES]
    places[-1] = 3e38  # of the last place, where no short row comes
    before = answers(load(checkpoint))
    assert_equal(answers(load(with_weights(checkpoint, {PLACES: places}))), before)
