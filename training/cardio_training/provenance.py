"""What a checkpoint has learnt, in every stage: its own documents, those of what it grew from, and of its teachers.

Contract
- A manifest's `training_data` tells of one stage; `earlier_stage` holds the base's, `teachers` theirs, and a merged
  checkpoint has `merged`, its parts'.
- A fold is fair to score on only where none of them has learnt any of it. An encoder that has read its texts, without
  their annotation, in pre-training makes scores somewhat better: that is warned of.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from cardio_ner.checkpoint import MANIFEST, Checkpoint, Manifest, resolve_model
from cardio_ner.errors import ConfigError
from cardio_training.dataset import EncodingReport, documents_digest
from cardio_training.recipe import Recipe
from cardio_training.splits import Split
from cardio_training.starting import MANIFEST as PRETRAINING
from cardio_training.written import digests_of

CORPUS = "MultiCardioNER (10.5281/zenodo.10948354)"


def training_data_of(
    recipe: Recipe, splits: Sequence[Split], report: EncodingReport, written: Mapping[str, str]
) -> dict[str, Any]:
    """What the weights of a run will have seen, as its manifest says it; `written`: the digests of files of notes."""
    earlier = _earlier_stage(recipe)
    if earlier and not recipe.epochs:
        return earlier
    trained = [document for split in splits for document in split.learnt]
    return {
        "corpus": CORPUS,
        "base_encoder": recipe.base_encoder,
        "languages": list(recipe.languages),
        "documents": len(trained),
        "sha256": documents_digest(trained),
        "held_out_fold": recipe.held_out_fold,
        "kept_epoch": _kept_epoch(recipe),
        "labelled": recipe.labelled,
        **asdict(report),
        "teachers": [Checkpoint.open(teacher).manifest.training_data for teacher in recipe.teachers],
        "unlabelled": recipe.unlabelled,
        "written": dict(written),
        "earlier_stage": earlier,
    }


def _kept_epoch(recipe: Recipe) -> str:
    """Whose weights a run keeps: what a card says of a twin."""
    if recipe.averaged_epochs > 1:
        return f"mean of the last {recipe.averaged_epochs}"
    return "last" if recipe.held_out_fold is None else recipe.kept_epoch


def learnt_words_alone(manifest: Manifest) -> bool:
    """Did it, or a part that it was merged from, learn each word's first token alone? A run of no epochs has learnt
    what its base has, whatever its recipe says; before that was kept by stage, the recipe alone told."""
    data, recipe = manifest.training_data, manifest.recipe
    told = [part.get("labelled") for part in data.get("merged", [data])]
    if None in told:
        told += [part.get("labelled") for part in recipe.get("merged", [recipe])]
    return "words" in told


def _earlier_stage(recipe: Recipe) -> dict[str, Any] | None:
    base = resolve_model(recipe.base_encoder)
    return Checkpoint.open(base).manifest.training_data if (base / MANIFEST).exists() else None


def check_fold_is_unseen(recipe: Recipe) -> None:
    """Raise ConfigError where the recipe would be scored on a fold that its base or a teacher has learnt."""
    if recipe.held_out_fold is None:
        return
    told = {teacher: Checkpoint.open(teacher).manifest.training_data for teacher in recipe.teachers}
    for name, data in {recipe.base_encoder: _earlier_stage(recipe), **told}.items():
        if not set(_folds_of(data)) <= {recipe.held_out_fold}:
            raise ConfigError(
                f"held_out_fold {recipe.held_out_fold}: {name} has learnt documents of it: expected a base "
                "and teachers that held it out in every stage; set held_out_fold to null to train unscored"
            )
    if recipe.held_out_fold in read_folds(recipe.base_encoder):
        warnings.warn(
            f"held_out_fold {recipe.held_out_fold}: {recipe.base_encoder} has read its texts in pre-training, without "
            "their annotation: expect scores on it somewhat above those on a fold that was not read",
            stacklevel=2,
        )


def read_folds(base_encoder: str) -> set[int]:
    """The folds of cardioccc_dev whose texts an encoder or checkpoint has read in pre-training, as far as the folders
    that it grew from are there and say so."""
    folds: set[int] = set()
    seen: set[Path] = set()
    folder = resolve_model(base_encoder)
    while folder.is_dir() and folder.resolve() not in seen:
        seen.add(folder.resolve())
        pretrained = _told(folder / PRETRAINING).get("recipe", {})
        if any(pretrained.get("texts", {}).get("cardioccc", {}).values()):
            folds |= {*pretrained.get("cardioccc_folds", [])}
        grew_from = pretrained.get("base_encoder") or _told(folder / MANIFEST).get("base_encoder")
        folder = Path(grew_from) if grew_from else folder
    return folds


def _told(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def notes_are_unseen(data: dict[str, Any], written: Path, fold: int) -> bool:
    """Whether no stage or teacher has learnt a file of notes, other than this one without the names and lines of the
    fold."""
    digest = digests_of([written])[str(written)]
    learnt = [stage for stage in _stages(data, teachers=True) if stage.get("written")]
    return all(stage["held_out_fold"] == fold and {*stage["written"].values()} == {digest} for stage in learnt)


def unseen_fold(manifests: Sequence[Manifest]) -> int | None:
    """The fold that all of these held out, in every stage; None where there is none."""
    folds = {fold for manifest in manifests for fold in _folds_of(manifest.training_data)}
    return folds.pop() if len(folds) == 1 else None


def _folds_of(data: dict[str, Any] | None) -> list[int | None]:
    """The fold held out in each stage, teachers' too; None for a stage that learnt all."""
    if not data:
        return []
    parts = data.get("merged") or [data.get("earlier_stage"), *data.get("teachers", [])]
    return [data.get("held_out_fold"), *(fold for part in parts for fold in _folds_of(part))]


def files_of(data: dict[str, Any] | None, key: Literal["unlabelled", "written"]) -> list[str]:
    """The files whose texts were learnt from teachers, or of which notes were made, in any stage."""
    return sorted({name for stage in _stages(data) for name in stage.get(key) or {}})


def n_teachers(data: dict[str, Any]) -> int:
    """How many teachers the stage had that had most."""
    return max((len(stage.get("teachers", [])) for stage in _stages(data)), default=0)


def _stages(data: dict[str, Any] | None, *, teachers: bool = False) -> Iterator[dict[str, Any]]:
    """This stage and the earlier ones, of merged parts too, and of teachers if asked."""
    if data:
        yield data
        for part in [
            *data.get("merged", []),
            *(data.get("teachers", []) if teachers else []),
            data.get("earlier_stage"),
        ]:
            yield from _stages(part, teachers=teachers)
