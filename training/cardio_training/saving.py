"""What every run reads and leaves: tokenizers, weights, resumable state, the commit.

Contract: a folder that `save_fp16` wrote is whole: it is built beside its place and renamed into it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from cardio_ner.errors import ConfigError

LAST_WRITTEN = "trainer_state.json"
"""Trainer writes it when all else of a checkpoint is there."""


def fast_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of an encoder's folder. Raises ConfigError where it is none of Rust's: offsets need one."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        complaint = str(error).partition("\n")[0]
        raise ConfigError(f"{folder}: no tokenizer could be read ({complaint}): expected tokenizer.json") from None
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ConfigError(f"{folder}: no fast tokenizer: offsets need tokenizer.json; convert it with transformers")
    return tokenizer


def save_fp16(folder: Path, model: Any, tokenizer: PreTrainedTokenizerFast, texts: dict[str, str]) -> Path:
    """Write weights (halved in place), tokenizer and text files by name; what stood there before goes."""
    building = folder.with_name(f"{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    model.to(torch.float16).save_pretrained(building)
    tokenizer.save_pretrained(building)
    for name, text in texts.items():
        (building / name).write_text(text, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    building.rename(folder)
    return folder


def last_whole_checkpoint(folder: Path) -> str | None:
    """The newest `checkpoint-N` that a kill did not interrupt, or None."""
    whole = whole_checkpoints(folder)
    return str(whole[-1]) if whole else None


def whole_checkpoints(folder: Path) -> list[Path]:
    """The `checkpoint-N` that no kill interrupted, oldest first."""
    whole = [path for path in folder.glob("checkpoint-*") if _is_whole(path)]
    return sorted(whole, key=lambda path: int(path.name.rpartition("-")[2]))


def _is_whole(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / LAST_WRITTEN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def git_commit() -> str:
    """The commit that the code is at, or an empty string outside a checkout."""
    try:
        result = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return result.stdout.strip()
