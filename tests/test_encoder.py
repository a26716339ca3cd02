"""The encoder: rows in, log-probabilities out; device and precision."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer, DebertaConfig

from cardio_ner import encoder as encoder_module
from cardio_ner.checkpoint import Checkpoint, packaged_model
from cardio_ner.encoder import (
    Encoder,
    choose_device,
    choose_dtype,
    device_errors,
    read_tokenizer,
    wrap_tokenizer,
)
from cardio_ner.engine.padded import PaddedModel
from cardio_ner.errors import CheckpointError, ConfigError, DeviceLostError
from cardio_ner.model_files import PLAIN_TOKENIZERS
from cardio_ner.tokenization import DocumentTokenizer
from processes import PATIENCE

FORKING = """
import multiprocessing, torch
from cardio_ner import Document
from cardio_ner.tagger import Tagger

torch.set_num_threads(2)
note = Document("a", "es", "Toma bisoprolol 5 mg. " * 400)
tagger = Tagger.load("es", device="cpu")
next(tagger.tag([note]))

def inherited(_):
    return len(next(tagger.tag([note])).spans)

def loaded(_):
    return len(next(Tagger.load("es", device="cpu").tag([note])).spans)

for work in (inherited, loaded):
    with multiprocessing.get_context("fork").Pool(1) as pool:
        print(work.__name__, pool.map_async(work, [0]).get(timeout=120), end=" " if work is inherited else "\\n")
"""


@pytest.fixture(scope="module")
def encoder(two_group_checkpoint: Path) -> Encoder:
    return Encoder.load(Checkpoint.open(two_group_checkpoint), device="cpu", precision="fp32")


def test_probabilities_sum_to_one_within_each_group(encoder: Encoder) -> None:
    (row,) = encoder.log_probabilities([np.arange(5, 15, dtype=np.int32)])
    assert row.shape == (10, 6)
    for columns in encoder.scheme.slices:
        assert np.exp(row[:, columns]).sum(axis=1) == pytest.approx(np.ones(10), abs=1e-5)


def test_they_are_those_of_the_plain_model_on_the_wrapped_text(encoder: Encoder, two_group_checkpoint: Path) -> None:
    tokens = encoder.tokenizer(["Paciente con infarto agudo."])[0]
    model = AutoModelForTokenClassification.from_pretrained(two_group_checkpoint).eval()
    cls, sep = AutoTokenizer.from_pretrained(two_group_checkpoint).convert_tokens_to_ids(["[CLS]", "[SEP]"])
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([[cls, *tokens.ids.tolist(), sep]])).logits[0, 1:-1]
    expected = torch.cat([logits[:, :3].log_softmax(-1), logits[:, 3:].log_softmax(-1)], dim=-1)
    (row,) = encoder.log_probabilities([tokens.ids])
    assert np.abs(row - expected.numpy()).max() < 1e-4


def test_a_longer_neighbour_changes_nothing(encoder: Encoder) -> None:
    short, long = np.arange(5, 9, dtype=np.int32), np.arange(5, 60, dtype=np.int32)
    alone = encoder.log_probabilities([short])[0]
    together = encoder.log_probabilities([long, short])
    assert [len(row) for row in together] == [55, 4]
    assert np.abs(together[1] - alone).max() < 1e-4


def test_a_tokenizer_without_special_tokens_wraps_windows_in_nothing(encoder: Encoder) -> None:
    ids = np.arange(5, 15, dtype=np.int32)
    bare = replace(encoder, tokenizer=DocumentTokenizer(encoder.tokenizer.backend, (), (), 0))
    (alone,) = bare.log_probabilities([ids])
    first, *inner, last = ids
    wrapped = replace(bare, tokenizer=DocumentTokenizer(encoder.tokenizer.backend, (first,), (last,), 0))
    (its,) = wrapped.log_probabilities([np.array(inner, dtype=np.int32)])
    assert np.abs(alone[1:-1] - its).max() < 1e-5


def test_precision_chooses_the_weights_type() -> None:
    cpu = torch.device("cpu")
    assert choose_dtype("fp32", cpu) == torch.float32
    assert choose_dtype("bf16", cpu) == torch.bfloat16
    assert choose_dtype("auto", cpu) in (torch.float32, torch.bfloat16)
    with pytest.raises(ConfigError, match="precision 'fp8': expected one of auto, bf16, fp32"):
        choose_dtype("fp8", cpu)


def test_the_precision_asked_for_is_that_of_the_loaded_weights(two_group_checkpoint: Path) -> None:
    checkpoint = Checkpoint.open(two_group_checkpoint)
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        assert Encoder.load(checkpoint, device="cpu", precision=precision).engine.dtype == dtype


@pytest.mark.parametrize("name", ["abacus", "mps", "xpu", "meta", "hpu"])
def test_a_device_that_is_neither_a_cpu_nor_of_cuda_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"device '{name}': expected auto, cpu, cuda or cuda:N"):
        choose_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_without_cuda_is_refused_and_auto_is_the_cpu() -> None:
    with pytest.raises(ConfigError, match="no CUDA device"):
        choose_device("cuda:0")
    assert choose_device().type == "cpu"


def test_a_gpu_that_fails_is_not_taken_for_a_fault_of_the_rows(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def assert_on_the_device(*_: object, **__: object) -> None:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(type(encoder.engine), "logits", assert_on_the_device)
    with pytest.raises(DeviceLostError, match="device-side assert triggered: expected the GPU to compute"):
        encoder.log_probabilities([np.arange(5, 15, dtype=np.int32)])


def test_a_gpu_without_memory_for_cublas_is_out_of_memory_and_other_errors_stay_what_they_are(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = iter([
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    ])  # fmt: skip

    def fail(*_: object, **__: object) -> None:
        raise next(errors)

    monkeypatch.setattr(type(encoder.engine), "logits", fail)
    for _ in range(3):
        with pytest.raises(torch.OutOfMemoryError):
            encoder.log_probabilities([np.arange(5, 15, dtype=np.int32)])
    with pytest.raises(RuntimeError, match="cannot be multiplied") as caught:
        encoder.log_probabilities([np.arange(5, 15, dtype=np.int32)])
    assert type(caught.value) is RuntimeError


@pytest.mark.parametrize(
    "complaint",
    [
        "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx(...)`",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR",
        "CUDA error: an illegal memory access was encountered",
    ],
)
def test_what_else_the_libraries_of_a_gpu_complain_of_is_no_fault_of_the_rows(complaint: str) -> None:
    with pytest.raises(DeviceLostError, match="expected the GPU to compute"), device_errors():
        raise RuntimeError(complaint)


@pytest.fixture
def without_bfloat16(hub_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    """A checkpoint of transformers' DeBERTa, which multiplies float32 by bfloat16, on a chip that is quick at that."""
    shutil.copytree(hub_checkpoint, tmp_path, dirs_exist_ok=True)
    names = AutoConfig.from_pretrained(hub_checkpoint).id2label
    config = DebertaConfig(
        vocab_size=200, hidden_size=32, intermediate_size=64, num_attention_heads=2, num_hidden_layers=1,
        max_position_embeddings=64, relative_attention=True, pos_att_type=["c2p", "p2c"], id2label=names,
        label2id={name: place for place, name in names.items()},
    )  # fmt: skip
    AutoModelForTokenClassification.from_config(config).save_pretrained(tmp_path)
    monkeypatch.setattr(encoder_module, "_has_fast_bf16", lambda _: True)
    return Checkpoint.open(tmp_path)


def test_a_model_that_cannot_compute_in_bfloat16_takes_float32_and_says_so(
    without_bfloat16: Checkpoint, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = Encoder.load(without_bfloat16, device="cpu")
    assert encoder.engine.dtype == torch.float32
    assert "cannot compute in bfloat16 (RuntimeError: expected m1 and m2" in caplog.text
    assert len(encoder.log_probabilities([np.arange(5, 15, dtype=np.int32)])[0]) == 10


def test_where_bfloat16_was_asked_for_it_is_refused(without_bfloat16: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match=r"cannot compute a row of 8 tokens in torch.bfloat16 .*use precision: f"):
        Encoder.load(without_bfloat16, device="cpu", precision="bf16")


def test_a_model_that_computes_in_no_type_is_refused(
    without_bfloat16: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_numbers(_: object, rows: list[np.ndarray], wanted: list[np.ndarray]) -> torch.Tensor:
        return torch.full((sum(map(len, wanted)), 5), float("nan"))

    monkeypatch.setattr(PaddedModel, "logits", no_numbers)
    with pytest.raises(CheckpointError, match=r"in torch.float32 \(logits that are no numbers\).*use another model"):
        Encoder.load(without_bfloat16, device="cpu")


@pytest.mark.parametrize("name", ["tiny", "es", "en", "it"])
def test_the_tokenizer_read_from_its_file_is_that_of_transformers(two_group_checkpoint: Path, name: str) -> None:
    folder = two_group_checkpoint if name == "tiny" else packaged_model(name)
    ours, theirs = read_tokenizer(folder), wrap_tokenizer(AutoTokenizer.from_pretrained(folder))
    assert json.loads((folder / "tokenizer_config.json").read_text())["tokenizer_class"] in PLAIN_TOKENIZERS
    for value in ("prefix_ids", "suffix_ids", "pad_id", "word_by_word"):
        assert getattr(ours, value) == getattr(theirs, value)
    text = "Paciente con fibrilación auricular; toma apixabán 5 mg/12 h. [SEP] \u00e9\u0301 \N{PILL}"
    for column in ("ids", "starts", "ends", "begins_word"):
        assert getattr(ours([text])[0], column).tolist() == getattr(theirs([text])[0], column).tolist()


def test_a_tokenizer_whose_class_does_more_than_its_file_goes_through_transformers(
    two_group_checkpoint: Path, tmp_path: Path
) -> None:
    shutil.copytree(two_group_checkpoint, tmp_path, dirs_exist_ok=True)
    settings = tmp_path / "tokenizer_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"tokenizer_class": "BertTokenizer"}))
    through = read_tokenizer(tmp_path)
    assert through.pad_id == read_tokenizer(two_group_checkpoint).pad_id
    assert "BertTokenizer" not in PLAIN_TOKENIZERS


def test_what_ships_tags_without_importing_transformers() -> None:
    code = (
        "import sys; from cardio_ner.document import Document; from cardio_ner.tagger import Tagger; "
        "(found,) = Tagger.load('es', device='cpu').tag([Document('a', 'es', 'Toma bisoprolol.')]); "
        "print(len(found.spans), 'transformers' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "1 False\n"


def test_a_process_that_is_forked_after_loading_tags_too(tmp_path: Path) -> None:
    program = tmp_path / "forking.py"
    program.write_text(FORKING)
    told = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert told.stdout == "inherited [400] loaded [400]\n"


def test_a_tokenizer_without_offsets_is_refused(two_group_checkpoint: Path) -> None:
    class Slow:
        """As a tokenizer written in Python looks: no Rust backend."""

    with pytest.raises(CheckpointError, match="Slow has no fast"):
        wrap_tokenizer(Slow())  # type: ignore[arg-type]
