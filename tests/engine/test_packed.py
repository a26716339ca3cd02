"""The packed engine gives what the plain model gives: rows of all lengths, wanted or not, in any company."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    AutoModelForTokenClassification,
    BertConfig,
    CamembertConfig,
    ConvBertConfig,
    DistilBertConfig,
    FunnelConfig,
    PreTrainedConfig,
    PreTrainedModel,
    RobertaConfig,
    XLMRobertaConfig,
)

from cardio_ner.checkpoint import Checkpoint, packaged_model
from cardio_ner.document import Document
from cardio_ner.encoder import Encoder
from cardio_ner.engine.attention import RowLengths, by_length
from cardio_ner.engine.contract import MIN_TOKENS
from cardio_ner.engine.linear import Linear, onednn_takes
from cardio_ner.engine.loading import engine_of, load_model
from cardio_ner.engine.packed import STEP_TOKENS, PackedBert, is_packable
from cardio_ner.engine.padded import PaddedModel
from cardio_ner.errors import CheckpointError
from cardio_ner.tagger import Tagger
from cardio_ner.tokenization import DocumentTokenizer
from tiny_models import tiny_tokenizer

pytestmark = pytest.mark.usefixtures("one_thread")

WRAPPING = ("backend", "prefix_ids", "suffix_ids", "pad_id")
SIZE = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 140,
    "num_labels": 6,
    "pad_token_id": 1,
}
FAMILIES = (BertConfig, RobertaConfig, XLMRobertaConfig, CamembertConfig)


def random_model(config: PreTrainedConfig, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    torch.manual_seed(1)
    model = AutoModelForTokenClassification.from_config(config).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():  # biases and norms too: zeros and ones would hide their loss
        torch.nn.init.normal_(parameter, mean=float("LayerNorm.weight" in name), std=0.3)
    return model.to(dtype)


def packed_of(model: PreTrainedModel) -> PackedBert:
    return PackedBert.of(model.config.to_dict(), model.state_dict())


def both(config: PreTrainedConfig) -> tuple[PackedBert, PaddedModel]:
    model = random_model(config)
    with torch.inference_mode():
        return packed_of(model), PaddedModel(model, 1)


BOTH = {config: both(config(**SIZE)) for config in FAMILIES}


def random_row(length: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(2, 50, length).astype(np.int32)


def largest_difference(rows: list[np.ndarray], wanted: list[np.ndarray], config: type[PreTrainedConfig]) -> float:
    packed, padded = BOTH[config]
    with torch.inference_mode():
        fast = packed.logits(rows, wanted)
        plain = torch.cat([padded.logits([row], [its]) for row, its in zip(rows, wanted, strict=True)])
    assert fast.shape == plain.shape == (sum(map(len, wanted)), 6)
    if len(plain) > 100:
        assert plain.std(0).mean() > 0.2, "logits that vary: else nothing is compared"
    return float((fast - plain).abs().max())


@pytest.mark.parametrize("config", FAMILIES)
def test_rows_of_all_lengths_get_the_logits_of_the_plain_model(config: type[PreTrainedConfig]) -> None:
    rows = [random_row(length, length) for length in range(1, 129)]
    assert largest_difference(rows, [np.arange(len(row)) for row in rows], config) < 1e-4


@settings(max_examples=40, deadline=None)
@given(data=st.data(), lengths=st.lists(st.integers(1, 128), min_size=1, max_size=12))
def test_wanted_tokens_come_back_in_their_rows_order(data: st.DataObject, lengths: list[int]) -> None:
    rows = [random_row(length, seed) for seed, length in enumerate(lengths)]
    wanted = [np.array(sorted(data.draw(st.sets(st.integers(0, n - 1)))), dtype=np.int64) for n in lengths]
    if sum(map(len, wanted)) > 1:
        assert largest_difference(rows, wanted, BertConfig) < 1e-4


def test_batches_over_one_block_are_cut_into_blocks_that_lose_nothing() -> None:
    rows = [random_row(100, seed) for seed in range(3 * MIN_TOKENS // 100)]
    assert sum(map(len, rows)) > 2 * MIN_TOKENS
    assert largest_difference(rows, [np.arange(100)] * len(rows), RobertaConfig) < 1e-4


def test_on_a_cpu_products_have_few_sizes_whatever_the_rows_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """oneDNN keeps a program for each: with a size for every batch a worker grew by 400 MB in a thousand notes."""
    sizes = []
    product = Linear.__call__

    def noted(self: Linear, x_NI: torch.Tensor) -> torch.Tensor:
        sizes.append(len(x_NI))
        return product(self, x_NI)

    monkeypatch.setattr(Linear, "__call__", noted)
    packed, _ = BOTH[BertConfig]
    with torch.inference_mode():
        for n_rows in range(1, 60, 3):
            rows = [random_row(60 + (seed * n_rows) % 67, seed) for seed in range(n_rows)]
            packed.logits(rows, [np.arange(0, len(row), 1 + n_rows % 3) for row in rows])
    assert min(sizes) >= MIN_TOKENS
    assert max(sizes) > 4 * MIN_TOKENS
    assert {size % STEP_TOKENS for size in sizes} == {0}


@given(lengths=st.lists(st.integers(1, 128), min_size=1, max_size=90), budget=st.integers(MIN_TOKENS, 3000))
def test_a_batch_costs_no_more_than_it_may(lengths: list[int], budget: int) -> None:
    packed, _ = BOTH[BertConfig]
    batches = packed.batches(lengths, max_tokens=budget)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(packed.cost([lengths[row] for row in batch]) <= budget for batch in batches)


def test_a_model_whose_positions_are_null_has_no_limit_to_its_rows() -> None:
    model = SimpleNamespace(config=SimpleNamespace(model_type="bert", max_position_embeddings=None))
    assert PaddedModel(model, 0).cost([9]) == MIN_TOKENS  # type: ignore[arg-type]


def test_no_wanted_token_is_no_logit() -> None:
    packed, _ = BOTH[BertConfig]
    with torch.inference_mode():
        assert packed.logits([random_row(5, 0)], [np.array([], dtype=np.int64)]).shape == (0, 6)


def test_what_is_built_otherwise_stays_on_the_plain_path() -> None:
    assert isinstance(engine_of(random_model(BertConfig(**SIZE)), 0), PackedBert)
    distil = DistilBertConfig(vocab_size=50, dim=32, n_heads=4, n_layers=1, hidden_dim=64)
    for config in (BertConfig(**SIZE, hidden_act="relu"), distil):
        assert isinstance(engine_of(random_model(config), 0), PaddedModel)


@pytest.mark.parametrize(
    "config",
    [
        ConvBertConfig(**SIZE, embedding_size=32, head_ratio=1),
        FunnelConfig(vocab_size=50, d_model=32, block_sizes=[1, 1], n_head=2, d_head=16, d_inner=64, num_labels=6),
    ],
)
def test_a_model_that_looks_at_padding_gets_none(config: PreTrainedConfig) -> None:
    model = random_model(config)
    engine = engine_of(model, 1)
    rows = [random_row(length, length) for length in (13, 29, 13, 32)]
    with torch.inference_mode():
        alone = [model(input_ids=torch.from_numpy(row.astype(np.int64))[None]).logits[0] for row in rows]
        for batch in engine.batches([*map(len, rows)], max_tokens=4096):
            found = engine.logits([rows[place] for place in batch], [np.arange(len(rows[place])) for place in batch])
            torch.testing.assert_close(found, torch.cat([alone[place] for place in batch]), atol=1e-3, rtol=1e-3)


def test_a_roberta_that_does_not_say_where_its_positions_begin_is_refused(tmp_path: Path) -> None:
    names = {0: "O", 1: "B-MEDICATION", 2: "I-MEDICATION"}
    tokenizer = tiny_tokenizer()
    config = RobertaConfig(**SIZE | {"vocab_size": len(tokenizer), "num_labels": 3, "id2label": names})
    random_model(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    told = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(told | {"pad_token_id": None}))
    with pytest.raises(CheckpointError, match="the model cannot compute a row"):
        Encoder.load(Checkpoint.open(tmp_path), device="cpu", precision="fp32")


@pytest.mark.parametrize("config", FAMILIES)
def test_a_weight_that_is_missing_or_of_another_shape_is_seen(config: type[PreTrainedConfig]) -> None:
    model = random_model(config(**SIZE))
    shapes = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    told = model.config.to_dict()
    assert is_packable(told, shapes)
    for name in shapes:
        assert not is_packable(told, {other: shape for other, shape in shapes.items() if other != name})
        assert not is_packable(told, shapes | {name: (*shapes[name][:-1], 7)})


@pytest.mark.parametrize("language", ["es", "en", "it"])
def test_what_ships_takes_the_packed_path_and_finds_what_the_plain_one_finds(language: str) -> None:
    checkpoint = Checkpoint.open(packaged_model(language))
    model = load_model(checkpoint, device=torch.device("cpu"), dtype=torch.float32)
    assert isinstance(engine_of(model, 0), PackedBert)
    rng = np.random.default_rng(5)
    rows = [rng.integers(5, model.config.vocab_size, length).astype(np.int32) for length in (1, 17, 64, 128, 128)]
    wanted = [np.arange(len(row)) for row in rows]
    with torch.inference_mode():
        packed = packed_of(model).logits(rows, wanted)
        plain = torch.cat([PaddedModel(model, 0).logits([row], [its]) for row, its in zip(rows, wanted, strict=True)])
    assert (packed - plain).abs().max() < 1e-3


@pytest.mark.parametrize("language", ["es", "en", "it"])
def test_what_ships_finds_the_same_by_both_paths_in_texts_of_all_lengths(language: str) -> None:
    """Engine, words tokenised once, wanted tokens alone, beside: padded batches, whole texts, every token."""
    folder = Path(__file__).parents[2] / "examples/notes" / language
    note = "\n".join(path.read_bytes().decode() for path in sorted(folder.glob("*.txt"))[:2])
    lengths = [1, 2, 5, *range(10, 400, 37), *range(400, len(note), 911), len(note)]
    documents = [Document(str(n), language, note[:n]) for n in lengths]
    fast = Tagger.load(language, device="cpu", precision="fp32")
    tokenizer = DocumentTokenizer(**{name: getattr(fast.encoder.tokenizer, name) for name in WRAPPING})
    object.__setattr__(tokenizer, "word_by_word", False)
    cpu = torch.device("cpu")
    model = load_model(Checkpoint.open(packaged_model(language)), device=cpu, dtype=torch.float32)
    plain = replace(fast, encoder=Encoder(PaddedModel(model, 0), tokenizer, fast.encoder.scheme))
    found = list(fast.tag(documents))
    expected = [
        document.with_spans(spans)
        for document, spans in zip(documents, plain.spans([*plain.label_probabilities(documents)]), strict=True)
    ]
    assert found == expected
    assert len(found[-1].spans) > 5
    scores = [[span.score for document in side for span in document.spans] for side in (found, expected)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)


@pytest.mark.parametrize("left_out", ["layer_norm_eps", "type_vocab_size", "pad_token_id"])
def test_a_config_that_leaves_a_default_out_is_read_by_transformers_and_packed_all_the_same(
    tmp_path: Path, left_out: str
) -> None:
    folder = shutil.copytree(packaged_model("en"), tmp_path / "en")
    config = json.loads((folder / "config.json").read_text())
    del config[left_out]
    (folder / "config.json").write_text(json.dumps(config))
    assert isinstance(Tagger.load(folder, device="cpu", precision="fp32").encoder.engine, PackedBert)


def test_in_bfloat16_the_packed_path_is_as_near_to_float32_as_the_plain_one() -> None:
    """Both round to 8 bits after each step, at other steps: neither is the other's truth, float32 is both's."""
    model = random_model(BertConfig(**SIZE))
    rows = [random_row(length, length) for length in range(1, 129, 3)]
    wanted = [np.arange(len(row)) for row in rows]
    with torch.inference_mode():
        truth = packed_of(model).logits(rows, wanted)
        small = model.to(torch.bfloat16)
        packed = packed_of(small).logits(rows, wanted)
        plain = torch.cat([PaddedModel(small, 1).logits([row], [its]) for row, its in zip(rows, wanted, strict=True)])
    errors = [float((found - truth).abs().mean()) for found in (packed, plain)]
    assert 0 < errors[0] < 1.5 * errors[1]


@pytest.mark.parametrize("fuses", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_packed_matrix_multiplies_as_torch_does(dtype: torch.dtype, fuses: bool) -> None:
    """With what follows it within the product, as in bfloat16, or after it, as in float32: each in both types, so that
    a chip without bfloat16 tries the same calls."""
    torch.manual_seed(2)
    weight, bias, x, residual = (torch.randn(*shape).to(dtype) for shape in ((48, 32), (48,), (700, 32), (700, 48)))
    if not onednn_takes(weight):
        pytest.skip(f"oneDNN multiplies no {dtype} on this chip: torch's own product is used")
    linear = Linear(weight, bias)
    linear._fuses = fuses
    expected = torch.nn.functional.linear(x.float(), weight.float(), bias.float())
    near = {"atol": 1e-4, "rtol": 1e-4} if dtype == torch.float32 else {"atol": 0.1, "rtol": 0.02}
    with torch.inference_mode():
        torch.testing.assert_close(linear(x).float(), expected, **near)
        torch.testing.assert_close(linear.gelu(x).float(), torch.nn.functional.gelu(expected), **near)
        torch.testing.assert_close(linear.plus(x, residual).float(), expected + residual.float(), **near)


def test_attention_by_length_keeps_rows_apart() -> None:
    torch.manual_seed(3)
    lengths = (9, 9, 4, 1)
    qkv = torch.randn(sum(lengths) + 3, 3, 2, 8)
    mixed = by_length(qkv, RowLengths.of(lengths, torch.device("cpu")))
    start = 0
    for length in lengths:
        q, k, v = qkv[start : start + length].permute(1, 2, 0, 3)
        weights = (q @ k.transpose(1, 2) / 8**0.5).softmax(-1)
        expected = (weights @ v).transpose(0, 1).flatten(1)
        torch.testing.assert_close(mixed[start : start + length], expected, atol=1e-5, rtol=1e-5)
        start += length
    assert (mixed[start:] == 0).all()


def test_the_folder_of_a_checkpoint_that_is_no_bert_loads_and_tags(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    names = {0: "O", 1: "B-MEDICATION", 2: "I-MEDICATION"}
    config = DistilBertConfig(
        vocab_size=len(tokenizer), dim=32, n_heads=4, n_layers=1, hidden_dim=64, max_position_embeddings=64,
        id2label=names, label2id={name: row for row, name in names.items()},
    )  # fmt: skip
    random_model(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    tagger = Tagger.load(tmp_path, device="cpu", precision="fp32")
    assert isinstance(tagger.encoder.engine, PaddedModel)
    (found,) = tagger.tag([Document("a", "es", "Paciente con heparina y aspirina. " * 30)])
    assert found.spans
