"""One model from several: the mean of their weights (M. Wortsman et al., "Model soups", ICML 2022, arXiv 2203.05482).

Contract
- Merged checkpoints have one encoder shape, one tokenizer and one head, and should have grown from one base: the mean
  of strangers is noise. Where they differ, ConfigError.
- Temperatures were fitted to the parts' weights: the mean has none until it is calibrated itself.
- A merged checkpoint is scored on a fold only if none of its parts, nor what they grew from, has learnt any of it.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from cardio_ner.checkpoint import MANIFEST, WEIGHTS, Checkpoint, Manifest
from cardio_ner.errors import ConfigError
from cardio_ner.model_files import tokenizer_files
from cardio_training.provenance import unseen_fold
from cardio_training.saving import whole_checkpoints

INDEX = f"{WEIGHTS}.index.json"
"""What says which weight is in which file, where there are several."""
SAME_FIELDS = (
    "languages",
    "label_groups",
    "window_tokens",
    "overlap_tokens",
    "boundaries",
    "tidied",
    "base_encoder",
    "licence",
)


def average_into(model: torch.nn.Module, folders: Sequence[Path]) -> None:
    """Give the model the mean of the weights in these folders, which are its own of other moments."""
    model.load_state_dict(mean_weights(folders))


def last_epochs(folder: Path, n: int) -> list[Path]:
    """The Trainer's newest `n` checkpoints in a folder. Raises ConfigError where there are fewer."""
    found = whole_checkpoints(folder)
    if len(found) < n:
        raise ConfigError(f"{folder}: {len(found)} checkpoints: expected {n}, of the last epochs; run it anew")
    return found[-n:]


def merge(folders: Sequence[Path], output: Path) -> tuple[Path, int | None]:
    """Write the mean of these checkpoints (fp16) to `output/checkpoint`; return it and the fold none has learnt."""
    parts = [
        Checkpoint.open(folder / "checkpoint" if (folder / "checkpoint").is_dir() else folder) for folder in folders
    ]
    _check(parts)
    _check_output(parts, output / "checkpoint")
    first = parts[0]
    mean = mean_weights([part.folder for part in parts])
    fold = unseen_fold([part.manifest for part in parts])
    recipes = [part.manifest.recipe for part in parts]
    common = {key: value for key, value in recipes[0].items() if all(recipe.get(key) == value for recipe in recipes)}
    merged = first.manifest.model_copy(
        update={
            "recipe": common | {"output": str(output), "merged": recipes},
            "training_data": {"merged": [part.manifest.training_data for part in parts], "held_out_fold": fold},
            "dev_scores": {},
            "temperatures": (),
        }
    )
    return _write(output / "checkpoint", first.folder, mean, merged), fold


def _write(target: Path, like: Path, weights: dict[str, torch.Tensor], manifest: Manifest) -> Path:
    """A copy of the folder `like` with these weights and this manifest: built beside its place and renamed into it."""
    building = target.with_name(f"{target.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    shutil.copytree(like, building)
    for file in (*_weight_files(building), building / INDEX):
        file.unlink(missing_ok=True)
    save_file({name: value.half() for name, value in weights.items()}, building / WEIGHTS, metadata={"format": "pt"})
    (building / MANIFEST).write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    return building.rename(target)


def mean_weights(folders: Sequence[Path]) -> dict[str, torch.Tensor]:
    """The mean of each tensor, in float32."""
    total: dict[str, torch.Tensor] = {}
    for folder in folders:
        for file in _weight_files(folder):
            for name, value in load_file(file).items():
                total[name] = total[name] + value.float() if name in total else value.float()
    return {name: value / len(folders) for name, value in total.items()}


def _weight_files(folder: Path) -> list[Path]:
    """Those that transformers reads: one, or those into which it parts a large model."""
    whole = folder / WEIGHTS
    return [whole] if whole.exists() else sorted(folder.glob("model-*.safetensors"))


def _alike(folder: Path) -> list[Path]:
    """The files that say what the weights are of."""
    return [folder / "config.json", *tokenizer_files(folder)]


def _check_output(parts: Sequence[Checkpoint], target: Path) -> None:
    """Neither a part, which would be gone, nor two of one, which would count twice."""
    folders = [part.folder.resolve() for part in parts]
    if target.resolve() in folders:
        raise ConfigError(f"--output {target.parent}: its checkpoint is one of the parts: expected another folder")
    if twice := next((folder for folder in folders if folders.count(folder) > 1), None):
        raise ConfigError(f"{twice}: named twice: expected each checkpoint once")


def _check(parts: Sequence[Checkpoint]) -> None:
    if len(parts) < 2:  # noqa: PLR2004
        raise ConfigError("expected two checkpoints or more to merge")
    first = parts[0]
    for other in parts[1:]:
        for name in sorted({path.name for part in (first, other) for path in _alike(part.folder)}):
            files = first.folder / name, other.folder / name
            if not all(file.exists() for file in files) or files[0].read_bytes() != files[1].read_bytes():
                raise ConfigError(f"{other.folder}: its {name} differs from that of {first.folder}: expected one model")
        for field in SAME_FIELDS:
            here, there = getattr(first.manifest, field), getattr(other.manifest, field)
            if here != there:
                raise ConfigError(
                    f"{other.folder}: {field} is {there}, and {here} in {first.folder}: expected the same"
                )
