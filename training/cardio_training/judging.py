"""The score of a finished checkpoint, in its manifest: what is scored is what was saved, loaded as a user loads it."""

from __future__ import annotations

from pathlib import Path

from cardio_ner.checkpoint import MANIFEST, Checkpoint
from cardio_ner.corpus.multicardioner import N_FOLDS, read_multicardioner
from cardio_ner.tagger import Tagger
from cardio_training.saving import write_whole
from cardio_training.trainer import score_tasks


def score_checkpoint(folder: Path, fold: int, data: Path) -> dict[str, float]:
    """Strict F1 on a fold of cardioccc_dev by task (`es/DISEASE`), written into the checkpoint's manifest too. A
    language that has no document in the fold has no score: nothing to find would be nothing missed, an F1 of 1."""
    checkpoint = Checkpoint.open(folder)
    manifest = checkpoint.manifest
    corpora = [read_multicardioner(data, language) for language in manifest.languages]
    held_out = {
        (corpus.language, name): documents
        for corpus in corpora
        for name in checkpoint.scheme.entity_types
        if (documents := corpus.fold(fold)[1]) and name in corpus.annotated
    }
    scores = score_tasks(Tagger.load(checkpoint), held_out)
    rounded = {f"{language}/{name}": round(f1, 4) for (language, name), f1 in scores.items()}
    facts = {
        "data": f"cardioccc_dev, fold {fold} of {N_FOLDS} (every fifth document)",
        "seed": manifest.recipe.get("seed"),
        "strict_f1": rounded,
    }
    scored = manifest.model_copy(update={"dev_scores": facts})
    write_whole(folder / MANIFEST, scored.model_dump_json(indent=1))
    return rounded
