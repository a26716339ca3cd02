"""Pre-train the encoder from its recipe: `python training/pretrain.py conf/pretraining.yaml`.

Resumes a run that was stopped. `--set key=value` overrides a key of the recipe (YAML values), for experiments.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cardio_ner.errors import errors_as_exit
from cardio_training.pretraining import pretrain
from cardio_training.pretraining_recipe import read_pretraining_recipe
from cardio_training.recipe import parse_overrides


def main(
    recipe: Annotated[Path, typer.Argument(help="YAML recipe")] = Path("conf/pretraining.yaml"),
    data: Annotated[
        Path | None, typer.Option(help="Folder that holds text/ and multicardioner/; default: CARDIO_NER_DATA")
    ] = None,
    override: Annotated[list[str] | None, typer.Option("--set", help="key=value, overrides the recipe")] = None,
) -> None:
    """Pre-train (or resume) a recipe and print where the encoder is."""
    with errors_as_exit():
        folder = pretrain(read_pretraining_recipe(recipe, parse_overrides(override)), data=data)
        typer.echo(f"encoder: {folder}")


if __name__ == "__main__":
    typer.run(main)
