"""Learn the vocabulary and carry the base encoder over: `python training/vocabulary.py conf/pretraining.yaml`.

That is the first step of `training/pretrain.py`, alone. Prints into how many pieces a word of
cardioccc_dev is cut, in the folds that the recipe leaves unseen, and how many characters became unknown.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cardio_ner.checkpoint import resolve_model
from cardio_ner.corpus.multicardioner import N_FOLDS, data_folder, read_multicardioner
from cardio_ner.document import LANGUAGES
from cardio_ner.errors import ConfigError, errors_as_exit
from cardio_training.fertility import Fertility, measure_fertility
from cardio_training.pretraining_recipe import read_pretraining_recipe
from cardio_training.recipe import parse_overrides
from cardio_training.starting import start_encoder


def main(
    recipe: Annotated[Path, typer.Argument(help="YAML recipe")] = Path("conf/pretraining.yaml"),
    data: Annotated[
        Path | None, typer.Option(help="Folder that holds text/ and multicardioner/; default: CARDIO_NER_DATA")
    ] = None,
    override: Annotated[list[str] | None, typer.Option("--set", help="key=value, overrides the recipe")] = None,
    encoder: Annotated[str | None, typer.Option(help="Measure this encoder's vocabulary; nothing is learnt")] = None,
) -> None:
    """Learn (or open) the recipe's vocabulary, and measure it on unseen cardiology."""
    with errors_as_exit():
        data = data_folder(data)
        settings = read_pretraining_recipe(recipe, parse_overrides(override))
        unseen = [fold for fold in range(N_FOLDS) if fold not in settings.cardioccc_folds]
        if not unseen:
            raise ConfigError("cardioccc_folds: all are read: expected one at least to be left to measure on")
        folder = resolve_model(encoder) if encoder else start_encoder(settings, data=data)
        measured = {
            language: measure_fertility(folder, [d.text for fold in unseen for d in corpus.fold(fold)[1]])
            for language, corpus in ((language, read_multicardioner(data, language)) for language in LANGUAGES)
        }
    Console(width=120).print(_as_table(measured, f"{folder} on folds {unseen} of cardioccc_dev"))


def _as_table(measured: dict[str, Fertility], title: str) -> Table:
    table = Table("language", title=title)
    for column in ("words", "pieces", "pieces a word", "without punctuation", "unknown characters"):
        table.add_column(column, justify="right")
    for language, f in measured.items():
        ratios = f"{f.pieces / f.words:.3f}", f"{f.letter_pieces / f.letter_words:.3f}"
        table.add_row(language, str(f.words), str(f.pieces), *ratios, str(f.unknown_characters))
    return table


if __name__ == "__main__":
    typer.run(main)
