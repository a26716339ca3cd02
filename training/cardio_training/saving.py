"""What every run reads and leaves: tokenizers, weights, resumable state, its recipe, the commit.

Contract
- A folder that `save_fp16` wrote is whole: it is built beside its place and renamed into it.
- An output folder belongs to one recipe: what another began is not gone on with.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from cardio_ner.engine.loading import LEFT_OVER
from cardio_ner.errors import CardioNerError, ConfigError
from cardio_ner.model_files import check_files, read_config, tokenizer_files
from cardio_training.pretraining_recipe import PretrainingRecipe
from cardio_training.recipe import Recipe

BEGUN = "run.json"
"""The file of every run's folder that holds the recipe which began it."""
LAST_WRITTEN = "trainer_state.json"
"""Trainer writes it when all else of a checkpoint is there."""


def fast_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of an encoder's folder. Raises ConfigError where it is none of Rust's: offsets need one."""
    if not [*tokenizer_files(folder)]:  # transformers would make up one, to which every word is unknown
        raise ConfigError(f"{folder}: no tokenizer: expected tokenizer.json beside the weights")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        complaint = str(error).partition("\n")[0]
        raise ConfigError(f"{folder}: no tokenizer could be read ({complaint}): expected tokenizer.json") from None
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ConfigError(f"{folder}: no fast tokenizer: offsets need tokenizer.json; convert it with transformers")
    return tokenizer


def load_base(name: str, folder: Path, load: Callable[[], tuple[Any, Mapping[str, Any]]]) -> PreTrainedModel:
    """The model that `load` has transformers load of a base encoder's folder, with its report of what was found there.

    Raises CheckpointError or ConfigError where the files are no whole model, or lack weights of the encoder (heads
    aside): these would be drawn anew, and learnt with as if they knew something.
    """
    read_config(folder)
    check_files(folder)
    try:
        model, report = load()
    except CardioNerError:
        raise
    except Exception as error:  # what transformers raises for files that it cannot use has many classes
        raise ConfigError(
            f"base_encoder {name}: transformers loads no model of it ({type(error).__name__}): expected whole files of "
            "a model_type that this transformers knows"
        ) from error
    found = {*report["missing_keys"], *(key if isinstance(key, str) else key[0] for key in report["mismatched_keys"])}
    body = f"{model.base_model_prefix}."
    lost = sorted(key for key in found if key.startswith(body) and not LEFT_OVER.search(key))
    if lost:
        raise ConfigError(
            f"base_encoder {name}: {len(lost)} weights of the encoder are not in its files, or have other shapes than "
            f"its config.json says, such as {lost[:3]}: expected all of them; save it again with save_pretrained"
        )
    loaded: PreTrainedModel = model
    return loaded


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


def write_whole(file: Path, text: str) -> None:
    """Put a text in the file's place at once: a kill leaves the old one or the new one."""
    building = file.with_name(f"{file.name}.building")
    building.write_text(text, encoding="utf-8")
    building.replace(file)


def digest_of(tokenizer: PreTrainedTokenizerFast) -> str:
    """Of the vocabulary, and of all else that makes text into pieces."""
    return hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()


def keep_recipe(recipe: Recipe | PretrainingRecipe, file: Path, digests: Mapping[str, str] | None = None) -> None:
    """Write down which recipe began a folder, and the digests of what it reads, for `check_same_recipe`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps({"recipe": recipe.model_dump(mode="json"), "digests": digests or {}}, indent=1))


def check_same_recipe(
    recipe: Recipe | PretrainingRecipe, file: Path, keys: frozenset[str], digests: Mapping[str, str] | None = None
) -> None:
    """Refuse to go on with what another recipe began: `file` holds the recipe of then, `keys` must be the same, and so
    must the digests. A key that there was not yet had its default; a digest that was not kept yet is not compared.

    Raises ConfigError naming the first key or file that differs; where there is no file, nothing was begun.
    """
    if not file.exists():
        return
    told: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    then = json.loads(json.dumps(_defaults(recipe), default=str)) | told["recipe"]
    now = recipe.model_dump(mode="json")
    for key in sorted(keys):
        if then.get(key) != now[key]:
            raise ConfigError(
                f"output {recipe.output}: begun with {key} {then.get(key)!r:.60}, the recipe says {now[key]!r:.60}: "
                "give another output, or delete this one"
            )
    for name, digest in (digests or {}).items():
        if told.get("digests", {}).get(name, digest) != digest:
            raise ConfigError(
                f"output {recipe.output}: {name} has changed since: give another output, or delete this one"
            )


def _defaults(recipe: Recipe | PretrainingRecipe) -> dict[str, Any]:
    fields = type(recipe).model_fields.items()
    return {key: field.get_default(call_default_factory=True) for key, field in fields if not field.is_required()}


def last_whole_checkpoint(folder: Path) -> str | None:
    """The newest `checkpoint-N` that a kill did not interrupt, or None. It names its run's best one where that is now,
    should the run's folder have been moved: the Trainer would pass over another place."""
    whole = whole_checkpoints(folder)
    if not whole:
        return None
    file = whole[-1] / LAST_WRITTEN
    state = json.loads(file.read_text(encoding="utf-8"))
    best = state.get("best_model_checkpoint")
    if best and (here := folder / Path(best).name).is_dir():
        write_whole(file, json.dumps(state | {"best_model_checkpoint": str(here)}, indent=2))
    return str(whole[-1])


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
    """The commit that the code is at, or an empty string where the code lies in no checkout of its own."""
    code = Path(__file__)
    command = ["git", "rev-parse", "HEAD", f"HEAD:./{code.name}"]  # fails where the repository has no such file
    try:
        result = subprocess.run(command, cwd=code.parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return result.stdout.partition("\n")[0]
