"""Put a trained checkpoint into the package, with its model card: `python training/ship.py es`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cardio_ner.errors import errors_as_exit
from cardio_training.shipping import ship


def main(
    language: Annotated[str, typer.Argument(help="es, en or it")],
    source: Annotated[Path | None, typer.Option(help="Checkpoint folder; default: runs/LANGUAGE/checkpoint")] = None,
) -> None:
    """Copy weights, tokenizer and manifest, and write the model card."""
    target = Path("src/cardio_ner/models") / language
    with errors_as_exit():
        ship(source or Path("runs") / language / "checkpoint", target, recipe_file=f"conf/training/{language}.yaml")
    typer.echo(f"shipped: {target}")


if __name__ == "__main__":
    typer.run(main)
