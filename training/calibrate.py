"""Make a checkpoint's scores mean what they say: `python training/calibrate.py runs/es/checkpoint --fold 0`.

The fold must be one that the checkpoint has not learnt. Writes the temperatures into its manifest.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cardio_ner.checkpoint import MANIFEST, Checkpoint
from cardio_ner.corpus.multicardioner import data_folder, read_multicardioner
from cardio_ner.errors import ConfigError, errors_as_exit
from cardio_ner.tagger import Tagger
from cardio_training.calibration import Calibration, calibrate
from cardio_training.provenance import unseen_fold
from cardio_training.saving import write_whole


def main(
    checkpoint: Annotated[Path, typer.Argument(help="Folder of the checkpoint")],
    fold: Annotated[int, typer.Option(help="Fold of cardioccc_dev that it has not learnt, 0 to 4")] = 0,
    data: Annotated[Path | None, typer.Option(help="Folder that holds multicardioner/")] = None,
) -> None:
    """Fit a temperature per label group, print the calibration error before and after, and keep the temperatures."""
    with errors_as_exit():
        opened = Checkpoint.open(checkpoint)
        if unseen_fold([opened.manifest]) != fold:
            raise ConfigError(
                f"{checkpoint}: it has learnt fold {fold}, or does not say: expected a fold held out of it"
            )
        corpora = [read_multicardioner(data_folder(data), language) for language in opened.manifest.languages]
        gold = [document for corpus in corpora for document in corpus.fold(fold)[1]]
        found = calibrate(Tagger.load(opened), gold, {corpus.language: corpus.annotated for corpus in corpora})
        told = {"+".join(one.entity_types): asdict(one) for one in found}
        scores = opened.manifest.dev_scores | {"calibration": told}
        kept = {"temperatures": tuple(one.temperature for one in found), "dev_scores": scores}
        manifest = opened.manifest.model_copy(update=kept)
        write_whole(checkpoint / MANIFEST, manifest.model_dump_json(indent=1))
    Console(width=120).print(_as_table(found, f"{checkpoint} on cardioccc_dev, fold {fold}"))


def _as_table(found: list[Calibration], title: str) -> Table:
    table = Table("types", "mentions", "temperature", "ECE before", "ECE after", title=title)
    for one in found:
        errors = f"{100 * one.ece_before:.1f} %", f"{100 * one.ece_after:.1f} %"
        table.add_row("+".join(one.entity_types), str(one.n_mentions), f"{one.temperature:.2f}", *errors)
    return table


if __name__ == "__main__":
    typer.run(main)
