"""Put a trained checkpoint into the package, or the encoder into models/, with its card: `training/ship.py es`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cardio_ner.errors import errors_as_exit
from cardio_training.shipping import ship, ship_encoder

ENCODER = "encoder"


def main(
    what: Annotated[str, typer.Argument(help="es, en, it, or encoder")],
    source: Annotated[
        Path | None, typer.Option(help="Folder to ship; default: runs/LANGUAGE/checkpoint or runs/encoder/encoder")
    ] = None,
    twin: Annotated[
        Path | None, typer.Option(help="For one that learnt every document: the checkpoint made alike that is scored")
    ] = None,
    before: Annotated[
        Path | None,
        typer.Option(help="Where no twin has had its last stage: the checkpoint before that stage, with its scores"),
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="The recipe that the card names; default: conf/training/LANGUAGE.yaml")
    ] = None,
) -> None:
    """Copy weights, tokenizer and manifest, and write the model card."""
    with errors_as_exit():
        if what == ENCODER:
            target = Path("models") / ENCODER
            ship_encoder(source or Path("runs") / ENCODER / ENCODER, target)
        else:
            target = Path("src/cardio_ner/models") / what
            ship(
                source or Path("runs") / what / "checkpoint",
                target,
                recipe_file=str(recipe or Path("conf/training") / f"{what}.yaml"),
                twin=twin,
                before=before,
            )
    typer.echo(f"shipped: {target}")


if __name__ == "__main__":
    typer.run(main)
