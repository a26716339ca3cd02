"""`cardio-ner tag`: a text, files or standard input ─► mentions in colours, JSON lines or a brat folder.

Contract
- All texts are read, and their languages known, before the first one is tagged: what is wrong with one of them is said
  at once, and nothing is half done.
- A document is named by its file's name without suffix; files that share one, by their path without it, or with it
  where they share that too (`visit.1`, `visit.2`).
- In a terminal, and where nothing was found, a line on stderr says which language was taken and what its checkpoint
  looks for, unless the language was given and that is diseases and medications.
- A brat folder that has annotations of these documents already is refused: they may be somebody's work.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardio_ner.document import DISEASE, LANGUAGES, MEDICATION, Document
from cardio_ner.errors import InputError

if TYPE_CHECKING:
    from cardio_ner.tagger import Tagger

STANDARD_INPUT = "standard input"


def tag(
    files: Annotated[list[Path] | None, typer.Argument(help="Text files in UTF-8; none: standard input")] = None,
    text: Annotated[str | None, typer.Option(help="The text itself, in place of files")] = None,
    language: Annotated[
        str | None,
        typer.Option(help="es, en or it; default: detected", autocompletion=lambda: list(LANGUAGES)),
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="Folder or hub name; default: the one that ships for the language")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object per mention and line")] = False,
    brat: Annotated[Path | None, typer.Option(help="Write .txt and .ann files into this folder")] = None,
) -> None:
    """Find the mentions in texts, and show them in colours."""
    if as_json and brat is not None:
        raise InputError("--json and --brat: expected one of them")
    documents = list(_documents(_named(files or [], by_stem=brat is not None), text, _checked(language, checkpoint)))
    if as_json:
        _check_names(documents)
    if brat is not None:
        _check_brat(documents, brat)
    taggers: dict[str, Tagger] = {}
    tagged = _tagged(documents, checkpoint, taggers)
    if as_json:
        for document in tagged:
            _print_json(document)
    elif brat is not None:
        from cardio_ner.corpus.brat import write_brat

        typer.echo(f"{write_brat(tagged, brat)} documents in {brat}", err=True)
    else:
        found = _print_in_colours(tagged)
        for code, times in found.items():
            _print_note(code, taggers[checkpoint or code], found=times > 0, detected=language is None)


def _checked(language: str | None, checkpoint: str | None) -> str | None:
    """The language as its two-letter code. Raises InputError where no checkpoint is for it."""
    if language is None:
        return None
    from cardio_ner.language import fold_language

    folded = fold_language(language)
    if folded is None or (checkpoint is None and folded not in LANGUAGES):
        raise InputError(
            f"--language {language}: expected one of {', '.join(LANGUAGES)}; another language takes a --checkpoint"
        )
    return folded


def _named(files: list[Path], *, by_stem: bool) -> list[tuple[str, Path]]:
    """The files with the names of their documents. `by_stem`: by their stems alone, of which files are made."""
    bare = [path.parent / path.stem for path in files]
    stems, paths = Counter(path.stem for path in files), Counter(bare)
    return [
        (path.stem if by_stem or stems[path.stem] == 1 else (its if paths[its] == 1 else path).as_posix(), path)
        for path, its in zip(files, bare, strict=True)
    ]


def _documents(files: list[tuple[str, Path]], text: str | None, language: str | None) -> Iterator[Document]:
    """The texts as they came, with their languages."""
    if files and text is not None:
        raise InputError("--text and files: expected one of them")
    if text is not None:
        yield _document("text", "--text", _checked_text(text), language)
    elif not files:
        yield _document("stdin", STANDARD_INPUT, _read_standard_input(), language)
    for name, path in files:
        yield _document(name, str(path), _read_file(path), language)


def _document(doc_id: str, name: str, text: str, language: str | None) -> Document:
    if not text.strip():
        raise InputError(f"{name}: empty: expected a text")
    return Document(doc_id, language or _detected(name, text), text)


def _detected(name: str, text: str) -> str:
    from cardio_ner.language import detect_language

    language = detect_language(text, LANGUAGES)
    if language is None:
        raise InputError(f"{name}: seems to be in none of {', '.join(LANGUAGES)}: if it is, say which with --language")
    return language


def _checked_text(text: str) -> str:
    """An argument's text. Bytes of it that are not UTF-8 are halves of characters in Python."""
    if not has_utf8(text):
        raise InputError("--text: not UTF-8: expected a text in UTF-8; set the terminal to it, or give a file")
    return text


def has_utf8(text: str) -> bool:
    """Could the argument be decoded as what it is?"""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _read_file(path: Path) -> str:
    from cardio_ner.corpus.standoff import read_text

    if path.is_dir():
        raise InputError(
            f"{path}: a folder: expected text files, such as {path}/*.txt; for many, spark-submit jobs/annotate.py"
        )
    if not path.exists():
        raise InputError(f"{path}: no such file: expected a text file in UTF-8")
    return read_text(path)


def _read_standard_input() -> str:
    if sys.stdin is None:
        raise InputError(f"{STANDARD_INPUT}: closed: expected a text there, in --text or in files")
    if sys.stdin.isatty():
        typer.echo("Type a text, then Ctrl-D on a line of its own:", err=True)
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{STANDARD_INPUT}: byte {error.start} is not UTF-8: expected UTF-8; convert it: iconv -f ITS-NAME -t utf8"
        ) from None


def _check_names(documents: list[Document]) -> None:
    """Raise InputError where JSON lines in UTF-8 cannot hold a document's name."""
    for document in documents:
        if not has_utf8(document.doc_id):
            raise InputError(f"--json: {document.doc_id!a} is not UTF-8: expected a file whose name is; rename it")


def _check_brat(documents: list[Document], folder: Path) -> None:
    """Raise InputError where two documents, or one and a file of the folder, would share files."""
    shared = [doc_id for doc_id, times in Counter(document.doc_id for document in documents).items() if times > 1]
    if shared:
        raise InputError(
            f"--brat: {len(shared)} names are of several files (such as {shared[0]!r}): expected each once"
        )
    for document in documents:
        annotation, text = (folder / f"{document.doc_id}{suffix}" for suffix in (".ann", ".txt"))
        if annotation.exists() or (text.exists() and text.read_bytes() != document.text.encode("utf-8")):
            raise InputError(f"{annotation}: it, or another text beside it, exists: expected a folder without them")


def _tagged(documents: list[Document], checkpoint: str | None, taggers: dict[str, Tagger]) -> Iterator[Document]:
    """The documents with their mentions, in order; each checkpoint is loaded once, into `taggers`."""
    from cardio_ner.tagger import Tagger

    for model, group in groupby(documents, key=lambda document: checkpoint or document.language):
        if model not in taggers:
            taggers[model] = Tagger.load(model)
        yield from taggers[model].tag(group)


def _print_in_colours(documents: Iterable[Document]) -> Counter[str]:
    """Print them; how many mentions there were, by language."""
    from cardio_ner.report.highlight import highlight
    from cardio_ner.report.terminal import open_console

    console = open_console()
    found: Counter[str] = Counter()
    for document in documents:
        console.print(highlight(document), soft_wrap=True)
        found[document.language] += len(document.spans)
    return found


def _print_note(language: str, tagger: Tagger, *, found: bool, detected: bool) -> None:
    """Say what was looked for, where a person may wonder why something was not found."""
    types = tagger.encoder.scheme.entity_types
    if not found or (sys.stdout.isatty() and (detected or not {DISEASE, MEDICATION} <= {*types})):
        how = f"language {language}, detected" if detected else f"language {language}"
        typer.echo(f"({how}: its checkpoint finds {' and '.join(types)}{'' if found else '; none found'})", err=True)


def _print_json(document: Document) -> None:
    for span in document.spans:
        mention = {
            "doc_id": document.doc_id,
            "language": document.language,
            "entity_type": span.entity_type,
            "start_offset": span.start,
            "end_offset": span.end,
            "text": document.mention(span),
            "score": round(span.score or 0.0, 4),
        }
        typer.echo(json.dumps(mention, ensure_ascii=False))
