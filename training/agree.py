"""How alike two checkpoints tag: what a further stage of training changes in texts that it has not learnt.

`python training/agree.py src/cardio_ner/models/en runs/mine/checkpoint --language en --texts text/e3c_ccby.en.jsonl.gz`
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cardio_ner.checkpoint import Checkpoint
from cardio_ner.corpus.multicardioner import data_folder
from cardio_ner.errors import errors_as_exit
from cardio_training.agreement import agreement, as_agreement_table


def main(
    first: Annotated[str, typer.Argument(help="Folder or hub name")],
    second: Annotated[str, typer.Argument(help="Folder or hub name of the other, such as a later one")],
    language: Annotated[str, typer.Option(help="es, en or it")],
    texts: Annotated[str, typer.Option(help="A file of the data folder (jsonl or jsonl.gz with lang and text)")],
    documents: Annotated[int, typer.Option(min=1, help="How many texts to read, from the file's beginning")] = 500,
    data: Annotated[Path | None, typer.Option(help="Folder that the file is in; default: CARDIO_NER_DATA")] = None,
) -> None:
    """Print for each type how many mentions each finds, how many are the same, and F1 of one against the other."""
    with errors_as_exit():
        one, other = Checkpoint.open(first), Checkpoint.open(second)
        rows = agreement(one, other, texts, language=language, data=data_folder(data), n_documents=documents)
    Console(width=120).print(as_agreement_table(rows, f"{first} and {second} on {texts}"))


if __name__ == "__main__":
    typer.run(main)
