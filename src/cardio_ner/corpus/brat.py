"""brat standoff: `name.txt` beside `name.ann`, one text-bound annotation a line.

    T1<TAB>ENFERMEDAD 10 29<TAB>estenosis aórtica

Contract
- Offsets are half-open code points. Labels of MultiCardioNER become DISEASE and MEDICATION; others stay.
- Lines that are not text-bound (relations, notes, attributes: not `T…`) are passed over: they hold no mention.
- A discontinuous mention (`10 15;20 29`) raises CorpusError: spans here are contiguous.
- A `.txt` without `.ann` is a document without mentions; an `.ann` without `.txt` raises.
- Suffixes are read in any case, and files whose names begin with `_` or `.` are passed over, as the job does.
- In a type that is written, `_` stands for white space: brat's types are one word.
Format: brat rapid annotation tool, https://brat.nlplab.org/standoff.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from cardio_ner.corpus.standoff import Misaligned, checked_span, one_line, read_text
from cardio_ner.document import Document, Span
from cardio_ner.errors import CorpusError


def read_brat(folder: Path, *, language: str, misaligned: Misaligned | None = None) -> list[Document]:
    """The documents of a folder, sorted by name; `doc_id` is the file's stem.

    A misaligned mention raises CorpusError, unless `misaligned` is given to count it in.
    """
    texts, annotations = files_of(folder, ".txt"), by_stem(files_of(folder, ".ann"))
    orphans = annotations.keys() - by_stem(texts).keys()
    if orphans:
        raise CorpusError(f"{folder}: {len(orphans)} .ann files have no .txt (such as {min(orphans)}.ann)")
    if not texts:
        raise CorpusError(f"{folder}: no .txt file: expected a brat folder of .txt and .ann files")
    return [_read_document(path, annotations.get(path.stem), language, misaligned) for path in texts]


def files_of(folder: Path, suffix: str) -> list[Path]:
    """The files of a folder that have the suffix, in any case, sorted by name."""
    return sorted(path for path in folder.glob("*") if path.suffix.lower() == suffix and not is_hidden(path.name))


def is_hidden(name: str) -> bool:
    """Is this the name of a file or a folder that the job passes over?"""
    return name.startswith(("_", "."))


def by_stem(paths: Iterable[Path]) -> dict[str, Path]:
    """The files by their documents' names. Raises CorpusError for two of one name (`a.txt` and `a.TXT`)."""
    named: dict[str, Path] = {}
    for path in paths:
        if path.stem in named:
            raise CorpusError(
                f"{path}: {named[path.stem].name} is beside it: expected one file of this name; rename it"
            )
        named[path.stem] = path
    return named


def _read_document(path: Path, annotation: Path | None, language: str, misaligned: Misaligned | None) -> Document:
    document = Document(path.stem, language, read_text(path))
    if annotation is None:
        return document
    lines = read_text(annotation).removeprefix("\ufeff").split("\n")
    return document.with_spans(_parse_lines(lines, document.text, annotation, misaligned))


def _parse_lines(lines: Iterable[str], text: str, path: Path, misaligned: Misaligned | None) -> Iterator[Span]:
    for number, line in enumerate(lines, start=1):
        if not line.startswith("T"):
            continue
        where = f"{path}, line {number}"
        try:
            _, place, quoted = line.rstrip("\r").split("\t", 2)
            label, start, end = place.split(" ")
            offsets = int(start), int(end)
        except ValueError:
            raise CorpusError(
                f"{where}: not a contiguous text-bound annotation: expected 'T1<TAB>LABEL start end<TAB>text'"
            ) from None
        span = checked_span(text, *offsets, label, quoted, where=where, misaligned=misaligned)
        if span is not None:
            yield span


def write_brat(documents: Iterable[Document], folder: Path) -> int:
    """Write `doc_id.txt` and `doc_id.ann` per document; entity types are written as they are, but for white
    space. Returns how many."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for document in documents:
        if Path(document.doc_id).name != document.doc_id or not document.doc_id:
            raise CorpusError(f"doc_id {document.doc_id!r} is no file name: expected one without '/'")
        lines = (
            f"T{number}\t{_one_word(span.entity_type)} {span.start} {span.end}\t{one_line(document.mention(span))}\n"
            for number, span in enumerate(document.spans, start=1)
        )
        (folder / f"{document.doc_id}.txt").write_bytes(document.text.encode("utf-8"))
        (folder / f"{document.doc_id}.ann").write_bytes("".join(lines).encode("utf-8"))
        count += 1
    return count


def _one_word(entity_type: str) -> str:
    return re.sub(r"\s+", "_", entity_type)
