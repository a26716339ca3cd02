"""The encoder: windows of token ids in, log-probabilities of labels out. Loads what the engine room computes with.

Contract
- CPU and CUDA by the same code; bfloat16 where the chip multiplies it in hardware, else float32.
- In a process that is forked from one that has loaded a checkpoint, torch computes with one thread.
- No state between calls; the caller decides batches and their bounds (`engine.batches`). A batch that the device has
  no memory for raises torch.OutOfMemoryError and leaves nothing behind: a smaller one may follow.

Shapes: K labels of the head, t tokens of one row without special tokens, u those of them that are wanted.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from pickle import PicklingError
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import torch
from tokenizers import Tokenizer

from cardio_ner.checkpoint import LEAST_WINDOW_TOKENS, Checkpoint
from cardio_ner.engine.attention import AMPERE
from cardio_ner.engine.contract import Engine, Positions, Row
from cardio_ner.engine.loading import load_engine
from cardio_ner.engine.padded import PaddedModel
from cardio_ner.errors import CheckpointError, ConfigError, DeviceLostError
from cardio_ner.model_files import runs_as_it_is, tokenizer_settings
from cardio_ner.tags import Floats, TagScheme
from cardio_ner.tokenization import DocumentTokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_LOGGER = logging.getLogger(__name__)
PRECISIONS = ("auto", "bf16", "fp32")
CUBLAS_OUT_OF_MEMORY = ("CUBLAS_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_NOT_INITIALIZED")
"""The second where there is no room for its first handle."""
LOST_GPU = ("CUBLAS_STATUS_", "CUDNN_STATUS_", "CUDA error")
TRIAL_TOKENS = LEAST_WINDOW_TOKENS
"""Every model has positions for so many."""


def choose_device(name: str = "auto") -> torch.device:
    """`auto` is the first CUDA device if there is one, else the CPU. Raises ConfigError for other
    kinds of devices (nobody has tried one), and for what torch lacks."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device {name!r}: expected auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device {name!r}: this torch sees no CUDA device: check its build and driver, or use cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device {name!r}: torch sees {torch.cuda.device_count()} CUDA devices, numbered from 0")
    return device


def limit_memory(device: torch.device, share: float) -> None:
    """Let this process take no more than that share of a GPU's memory; one task alone needs no limit."""
    if device.type == "cuda" and share < 1:
        torch.cuda.set_per_process_memory_fraction(share, device)


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The weights' type: `auto` is bfloat16 where the device multiplies it in hardware (CUDA from Ampere on, CPUs
    with AMX or AVX512-BF16), else float32."""
    if precision not in PRECISIONS:
        raise ConfigError(f"precision {precision!r}: expected one of {', '.join(PRECISIONS)}")
    if precision == "auto":
        precision = "bf16" if _has_fast_bf16(device) else "fp32"
    return torch.bfloat16 if precision == "bf16" else torch.float32


def _has_fast_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= AMPERE
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


@cache
def _use_one_thread_in_forks() -> None:
    """A forked process has no threads but its own: on a CPU torch would wait for those of its parent for ever."""
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


def wrap_tokenizer(tokenizer: PreTrainedTokenizerBase) -> DocumentTokenizer:
    """The fast backend of a Hugging Face tokenizer, and the special tokens that it puts around a text."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise CheckpointError(f"{type(tokenizer).__name__} has no fast (Rust) tokenizer: offsets need one")
    return _wrapped(backend, tokenizer.pad_token_id)


def read_tokenizer(folder: Path) -> DocumentTokenizer:
    """A checkpoint's tokenizer: tokenizer.json itself where its class adds nothing to it, else through transformers.
    Raises CheckpointError for files that make no tokenizer."""
    if runs_as_it_is(folder):
        file, pad = folder / "tokenizer.json", tokenizer_settings(folder).get("pad_token")
        try:
            backend = Tokenizer.from_file(str(file))
        except Exception as error:  # noqa: BLE001  tokenizers has no class of its own for a file that it cannot read
            raise CheckpointError(f"{file}: no tokenizer ({type(error).__name__}): copy it again") from None
        return _wrapped(backend, backend.token_to_id(pad) if isinstance(pad, str) else None)
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # what transformers raises for files that it cannot use has many classes
        raise CheckpointError(
            f"{folder}: transformers reads no tokenizer from it ({type(error).__name__}): expected the files that "
            "tokenizer.save_pretrained writes; copy them again, or save the tokenizer again with a tokenizer.json"
        ) from error
    return wrap_tokenizer(tokenizer)


def _wrapped(backend: Tokenizer, pad_id: int | None) -> DocumentTokenizer:
    backend.no_padding()
    backend.no_truncation()
    bare, full = backend.encode("a", add_special_tokens=False).ids, backend.encode("a").ids
    at = next(i for i in range(len(full)) if full[i : i + len(bare)] == bare)
    return DocumentTokenizer(backend, tuple(full[:at]), tuple(full[at + len(bare) :]), pad_id or 0)


@contextmanager
def device_errors() -> Iterator[None]:
    """A CUDA error other than want of memory spoils the whole process: it must not pass for a document's fault.

    torch has no class of its own for what cuBLAS and cuDNN complain of: their words tell."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        complaint = str(error).partition("\n")[0]
        if any(words in complaint for words in CUBLAS_OUT_OF_MEMORY):
            raise torch.OutOfMemoryError(complaint) from None
        if isinstance(error, torch.AcceleratorError) or any(words in complaint for words in LOST_GPU):
            raise DeviceLostError(f"{complaint}: expected the GPU to compute; a new process can use it again") from None
        raise


def _engine_that_computes(checkpoint: Checkpoint, device: torch.device, precision: str, pad_id: int) -> Engine:
    """The checkpoint's engine. Models of transformers are tried on a row: some cannot compute in bfloat16 and take
    float32 where nobody asked for a type. Else each document would be blamed. (What is packed needs no trial.)"""
    dtype = choose_dtype(precision, device)
    engine = load_engine(checkpoint, device=device, dtype=dtype, pad_id=pad_id)
    complaint = _complaint(engine)
    if complaint and precision == "auto" and dtype == torch.bfloat16:
        _LOGGER.warning("%s: cannot compute in bfloat16 (%s): float32 it is", checkpoint.folder, complaint)
        dtype = torch.float32
        engine = load_engine(checkpoint, device=device, dtype=dtype, pad_id=pad_id)
        complaint = _complaint(engine)
    if complaint:
        remedy = "use precision: fp32" if dtype == torch.bfloat16 else "use another model"
        raise CheckpointError(
            f"{checkpoint.folder}: the model cannot compute a row of {TRIAL_TOKENS} tokens in {dtype} ({complaint}): "
            f"expected logits; {remedy}"
        )
    return engine


def _complaint(engine: Engine) -> str | None:
    """What a model of transformers says to a row of a few tokens; None where it has logits for it."""
    if not isinstance(engine, PaddedModel):
        return None
    try:
        with torch.inference_mode(), device_errors():
            logits_UK = engine.logits([np.arange(TRIAL_TOKENS, dtype=np.int32)], [np.arange(TRIAL_TOKENS)])
            return "logits that are no numbers" if bool(logits_UK.isnan().any()) else None
    except (torch.OutOfMemoryError, DeviceLostError):
        raise
    except Exception as error:  # noqa: BLE001  any model's own code: it may raise what it likes
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0]:.200}"


@dataclass(frozen=True, slots=True)
class Encoder:
    """A loaded model with its tokenizer, on one device."""

    engine: Engine
    tokenizer: DocumentTokenizer
    scheme: TagScheme

    @classmethod
    def load(cls, checkpoint: Checkpoint, *, device: str = "auto", precision: str = "auto") -> Encoder:
        """Load weights and tokenizer. Raises CheckpointError where they do not fit or the model computes nothing,
        ConfigError for a device that is not there."""
        _use_one_thread_in_forks()
        torch_device = choose_device(device)
        tokenizer = read_tokenizer(checkpoint.folder)
        engine = _engine_that_computes(checkpoint, torch_device, precision, tokenizer.pad_id)
        _LOGGER.info("%s: %s", checkpoint.folder, engine.describe())
        return cls(engine, tokenizer, checkpoint.scheme)

    def __reduce__(self) -> NoReturn:
        """Weights in a processor's own layout cannot be written down, and torch says so in words of its own. (Pools of
        processes and Spark look for this class of error.)"""
        raise PicklingError(
            "a loaded checkpoint cannot be sent to another process: expected one loaded in each process, with "
            "Tagger.load, or inherited by fork"
        )

    def log_probabilities(self, rows: Sequence[Row], wanted: Sequence[Positions] | None = None) -> list[Floats]:
        """Per row of t token ids (no special tokens): log-probabilities [u, K] of its wanted tokens (None: of all),
        normalised within each group."""
        wanted = wanted or [np.arange(len(row)) for row in rows]
        with device_errors():
            logp_UK = self.launch(rows, wanted).cpu().numpy()
        return np.split(logp_UK, np.cumsum([len(its) for its in wanted])[:-1])

    def launch(self, rows: Sequence[Row], wanted: Sequence[Positions]) -> torch.Tensor:
        """[U, K] on the device: what `log_probabilities` gives, row after row. A GPU has only begun to compute it."""
        prefix, suffix = (np.array(ids, np.int32) for ids in (self.tokenizer.prefix_ids, self.tokenizer.suffix_ids))
        with torch.inference_mode(), device_errors():
            logits_UK = self.engine.logits(
                [np.concatenate([prefix, row, suffix]) for row in rows], [len(prefix) + its for its in wanted]
            )
            groups = [logits_UK[:, columns].log_softmax(-1) for columns in self.scheme.slices]
            return torch.cat(groups, dim=-1)
