"""Score a checkpoint: `python training/evaluate.py runs/joint/checkpoint --language es --fold 0`.

On a fold of cardioccc_dev (every fifth document), with --brat on a brat folder, or with --written on notes made of the
fold's names and lines. Of a fold that the checkpoint has learnt, or whose manifest does not say, the table tells so:
such scores are no test.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cardio_ner.checkpoint import Boundaries, Checkpoint
from cardio_ner.corpus.brat import read_brat
from cardio_ner.corpus.multicardioner import N_FOLDS, data_folder, read_multicardioner
from cardio_ner.corpus.standoff import OFFICIAL_LABELS
from cardio_ner.document import Document
from cardio_ner.errors import ConfigError, errors_as_exit
from cardio_ner.tagger import Tagger
from cardio_training.provenance import notes_are_unseen, unseen_fold
from cardio_training.scoring import TaskScore, as_table, score_documents
from cardio_training.shapes import mistakes_table
from cardio_training.written import read_written

WRITTEN_NOTES, WRITTEN_SEED = 300, 0
"""How many notes are made to score on, and from which seed."""


def main(
    checkpoint: Annotated[str, typer.Argument(help="Folder or hub name")],
    language: Annotated[list[str] | None, typer.Option(help="es, en, it; default: the checkpoint's languages")] = None,
    fold: Annotated[int, typer.Option(help="Held-out fold of cardioccc_dev, 0 to 4")] = 0,
    data: Annotated[Path | None, typer.Option(help="Folder that holds multicardioner/")] = None,
    brat: Annotated[Path | None, typer.Option(help="A brat folder to score on, in place of a fold")] = None,
    written: Annotated[
        Path | None, typer.Option(help="A file of conf/training/written: score on notes of the fold's names and lines")
    ] = None,
    boundaries: Annotated[str | None, typer.Option(help="token or word; default: as the manifest says")] = None,
    tidied: Annotated[
        bool | None, typer.Option(help="Tidy the ends of mentions; default: as the manifest says")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, bf16, fp32")] = "auto",
    by_shape: Annotated[bool, typer.Option("--mistakes", help="Also count the mistakes by kind and shape")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the scores here")] = None,
) -> None:
    """Print strict and seqeval scores per language and type; with --json also write them."""
    console = Console(width=120)
    with errors_as_exit():
        opened = Checkpoint.open(checkpoint)
        if brat is not None and written is not None:
            raise ConfigError("--brat and --written: expected at most one")
        if json_file is not None and (json_file.is_dir() or not json_file.parent.is_dir()):
            raise ConfigError(f"--json {json_file}: expected a file in a folder that is there")
        languages = _languages(opened, language, brat or written)
        tagger = Tagger.load(opened, device=device, precision=precision)
        if boundaries is not None:
            tagger = dataclasses.replace(tagger, boundaries=_checked(boundaries))
        if tidied is not None:
            tagger = dataclasses.replace(tagger, tidied=tidied)
        scores: list[TaskScore] = []
        for code in languages:
            gold, types = _gold(opened, code, fold, data=data, brat=brat, written=written)
            found = list(tagger.tag(gold))
            scores += score_documents(tagger, gold, found, types)
            for line in _lone_types(gold, types) if brat is not None else ():
                typer.echo(f"warning: {line}", err=True)
            for name in types if by_shape else ():
                console.print(mistakes_table(gold, found, name))
        if not scores:
            raise ConfigError(
                f"{checkpoint}: it finds {', '.join(opened.scheme.entity_types)}, which nobody annotated in the "
                f"documents in {', '.join(languages)}: expected types of theirs; --brat scores on a folder of your own"
            )
    where = str(brat) if brat is not None else _called(opened, fold, written)
    console.print(
        as_table(scores, f"{checkpoint} on {where}, boundaries: {tagger.boundaries}, tidied: {tagger.tidied}")
    )
    if json_file is not None:
        result = {"checkpoint": tagger.model_id, "data": where, "scores": [asdict(score) for score in scores]}
        json_file.write_text(json.dumps(result, indent=1), encoding="utf-8")


def _gold(
    opened: Checkpoint, language: str, fold: int, *, data: Path | None, brat: Path | None, written: Path | None
) -> tuple[tuple[Document, ...], tuple[str, ...]]:
    """The documents to score on, and the types."""
    if brat is not None:
        return tuple(read_brat(brat, language=language)), opened.scheme.entity_types
    return _notes(opened, language, fold, written) if written else _held_out(opened, language, fold, data)


def _lone_types(gold: Sequence[Document], types: Sequence[str]) -> Iterator[str]:
    """Of each type that is scored and that gold lacks, though it has mentions of others: a line that says so. Nobody
    may have looked for it, or gold may call it differently: what is found of it counts as wrong."""
    there = {span.entity_type for document in gold for span in document.spans}
    for name in types:
        if there and name not in there:
            yield (
                f"type {name}: gold has no mention of it, its types are {', '.join(sorted(there))}: its score says "
                f"nothing if nobody looked for it; expected the checkpoint's names, {', '.join(types)} (or "
                f"{', '.join(OFFICIAL_LABELS)}, which are read as ours)"
            )


def _notes(opened: Checkpoint, language: str, fold: int, written: Path) -> tuple[tuple[Document, ...], tuple[str, ...]]:
    """Notes of a fold's names and lines, and the types to score. Raises ConfigError for a file of another language."""
    file = read_written(written)
    if file.language != language:
        raise ConfigError(f"--written {written}: notes in {file.language}: expected --language {file.language}")
    types = tuple(name for name in opened.scheme.entity_types if name in file.mentions)
    if not types:
        raise ConfigError(
            f"--written {written}: mentions of {', '.join(file.mentions)}: expected some of "
            f"{', '.join(opened.scheme.entity_types)}"
        )
    notes = file.held_out_notes(WRITTEN_NOTES, held_out_fold=fold, seed=WRITTEN_SEED)
    return tuple(notes), types


def _languages(opened: Checkpoint, asked: list[str] | None, texts: Path | None) -> list[str]:
    """The languages to score. Raises ConfigError where there is none, or several for one folder or file."""
    languages = asked or list(opened.manifest.languages)
    if not languages:
        raise ConfigError(f"{opened.folder}: its manifest names no language: expected --language")
    if texts is not None and len(languages) > 1:
        raise ConfigError(
            f"{texts}: its texts are of one language, not of {', '.join(languages)}: expected one --language"
        )
    return languages


def _held_out(
    opened: Checkpoint, language: str, fold: int, data: Path | None
) -> tuple[tuple[Document, ...], tuple[str, ...]]:
    """The documents of a fold, and the types to score: those that were looked for in them. Raises ConfigError where the
    fold has none of the language."""
    corpus = read_multicardioner(data_folder(data), language)
    documents = corpus.fold(fold)[1]
    if not documents:
        raise ConfigError(
            f"fold {fold} of cardioccc_dev has no document in {language}: expected some; give another --fold, or the "
            "other languages with --language"
        )
    return documents, tuple(name for name in opened.scheme.entity_types if name in corpus.annotated)


def _called(opened: Checkpoint, fold: int, written: Path | None) -> str:
    """What the fold is called in the table, with a warning where the scores on it are no test."""
    if written is not None:
        fair = notes_are_unseen(opened.manifest.training_data, written, fold)
        warning = "" if fair else ", which it has learnt, or may have"
        return f"{WRITTEN_NOTES} notes of {written}, names and lines of fold {fold} of {N_FOLDS}{warning}"
    warning = "" if unseen_fold([opened.manifest]) == fold else ", documents that it has learnt, or may have"
    return f"cardioccc_dev, fold {fold} of {N_FOLDS}{warning}"


def _checked(boundaries: str) -> Boundaries:
    if boundaries == "token":
        return "token"
    if boundaries == "word":
        return "word"
    raise ConfigError(f"--boundaries {boundaries}: expected token or word")


if __name__ == "__main__":
    typer.run(main)
