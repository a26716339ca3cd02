"""Train a checkpoint from a recipe: `python training/train.py conf/training/joint.yaml`.

Resumes a run that was stopped. `--set key=value` overrides a key of the recipe (YAML values), for experiments.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cardio_ner.errors import errors_as_exit
from cardio_training.recipe import parse_overrides, read_recipe
from cardio_training.run import train


def main(
    recipe: Annotated[Path, typer.Argument(help="YAML recipe, such as conf/training/joint.yaml")],
    data: Annotated[
        Path | None, typer.Option(help="Folder that holds multicardioner/; default: CARDIO_NER_DATA")
    ] = None,
    override: Annotated[list[str] | None, typer.Option("--set", help="key=value, overrides the recipe")] = None,
) -> None:
    """Train (or resume) a recipe and print where the checkpoint is."""
    with errors_as_exit():
        folder = train(read_recipe(recipe, parse_overrides(override)), data=data)
    typer.echo(f"checkpoint: {folder}")


if __name__ == "__main__":
    typer.run(main)
