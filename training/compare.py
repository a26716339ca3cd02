"""Set runs beside each other: `python training/compare.py runs/probe-a runs/probe-b --plot runs/probes.svg`.

Strict F1 on the fold that each run held out (runs that differ in fold or seed alone are one row), and words a second.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console

from cardio_ner.corpus.multicardioner import data_folder, read_multicardioner
from cardio_ner.errors import ConfigError, errors_as_exit
from cardio_training.comparing import as_comparison, as_picture, group_runs, words_per_second
from cardio_training.pictures import draw_comparison


def main(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs, or of their checkpoints")],
    data: Annotated[Path | None, typer.Option(help="Folder that holds multicardioner/")] = None,
    language: Annotated[str, typer.Option(help="Language of the texts that the speed is measured on")] = "es",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of the speed")] = 3,
    plot: Annotated[Path | None, typer.Option(help="Also draw F1 by task into this .svg or .png file")] = None,
    markdown: Annotated[bool, typer.Option(help="Print a Markdown table")] = False,
) -> None:
    """Print a row for each recipe: F1 by task, mean and standard deviation over its folds, and speed."""
    with errors_as_exit():
        rows = group_runs(runs)
        if plot is not None:  # before the speed, which takes minutes
            draw_comparison(as_picture(rows), plot)
        texts = read_multicardioner(data_folder(data), language).fold(0)[1]
        if not texts:
            raise ConfigError(f"fold 0 of cardioccc_dev has no document in {language}: give another --language")
        table = as_comparison(rows, words_per_second(rows, texts, rounds=rounds))
    if markdown:
        table.box = box.MARKDOWN
    Console(width=160).print(table)


if __name__ == "__main__":
    typer.run(main)
