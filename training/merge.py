"""Average the weights of checkpoints that grew from one base: `python training/merge.py runs/es-* --output runs/es`.

Scored on the fold that none of them has learnt; where there is none, the merged checkpoint has no score of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cardio_ner.corpus.multicardioner import data_folder
from cardio_ner.errors import errors_as_exit
from cardio_training.judging import score_checkpoint
from cardio_training.merging import merge


def main(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs, or of their checkpoints")],
    output: Annotated[Path, typer.Option(help="Folder of the merged run: its checkpoint/ is written")],
    data: Annotated[Path | None, typer.Option(help="Folder that holds multicardioner/")] = None,
) -> None:
    """Write the mean of the runs' checkpoints, with a manifest that names them all, and score it where that is fair."""
    with errors_as_exit():
        folder, fold = merge(runs, output)
        scores = {} if fold is None else score_checkpoint(folder, fold, data_folder(data))
    typer.echo(f"checkpoint: {folder}")
    for task, f1 in scores.items():
        typer.echo(f"fold {fold}, {task}: {100 * f1:.2f}")
    if fold is None:
        typer.echo("not scored: no fold was held out of all parts and of what they grew from")


if __name__ == "__main__":
    typer.run(main)
