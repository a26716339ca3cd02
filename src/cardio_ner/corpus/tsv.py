"""The shared-task TSV: one mention a line, texts in `.txt` files beside.

    filename<TAB>ann_id<TAB>label<TAB>start_span<TAB>end_span<TAB>text

Contract: as `brat`: code points, official labels renamed, misaligned mentions raise or are counted. A file name in
the table that has no text raises; a text that the table does not name is a document without mentions. What is written
has the official labels again. Rows end with a line feed, and nothing quotes a tab; blank lines are passed over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from cardio_ner.corpus.brat import by_stem, files_of
from cardio_ner.corpus.standoff import OFFICIAL_LABELS, Misaligned, checked_span, one_line, read_text
from cardio_ner.document import Document, Span
from cardio_ner.errors import CorpusError

COLUMNS = ("filename", "ann_id", "label", "start_span", "end_span", "text")


def read_tsv(table: Path, texts: Path, *, language: str, misaligned: Misaligned | None = None) -> list[Document]:
    """The documents of the folder `texts` (`*.txt`, as `brat` finds them), sorted by name, with the mentions of
    `table`."""
    content = {name: read_text(path) for name, path in by_stem(files_of(texts, ".txt")).items()}
    spans: dict[str, list[Span]] = defaultdict(list)
    for number, row in _rows(table):
        where = f"{table}, line {number}"
        name = row["filename"].removesuffix(".txt")
        if name not in content:
            raise CorpusError(f"{where}: names {name!r}, but {texts} has no {name}.txt")
        try:
            offsets = int(row["start_span"]), int(row["end_span"])
        except ValueError:
            raise CorpusError(f"{where}: start_span and end_span are not both whole numbers") from None
        span = checked_span(content[name], *offsets, row["label"], row["text"], where=where, misaligned=misaligned)
        if span is not None:
            spans[name].append(span)
    return [Document(name, language, text).with_spans(spans[name]) for name, text in content.items()]


def _rows(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of the table as dictionaries, each with the number of its line; a wrong header or a row of another width
    raises CorpusError."""
    lines = (line.removesuffix("\r") for line in read_text(table).removeprefix("\ufeff").split("\n"))
    rows = ((number, line.split("\t")) for number, line in enumerate(lines, start=1) if line)
    _, header = next(rows, (1, []))
    if tuple(header) != COLUMNS:
        raise CorpusError(f"{table}: columns are {header[: len(COLUMNS)]}: expected {list(COLUMNS)}")
    for number, row in rows:
        if len(row) != len(COLUMNS):
            raise CorpusError(f"{table}, line {number}: {len(row)} columns: expected {len(COLUMNS)}, split by tabs")
        yield number, dict(zip(COLUMNS, row, strict=True))


def write_tsv(documents: Iterable[Document], table: Path) -> int:
    """Write the mentions of the documents as the shared task's table, under its labels. Returns how many there are."""
    official = {ours: theirs for theirs, ours in OFFICIAL_LABELS.items()}
    rows = [
        (
            document.doc_id,
            f"T{number}",
            official.get(span.entity_type, span.entity_type),
            span.start,
            span.end,
            one_line(document.mention(span)),
        )
        for document in documents
        for number, span in enumerate(document.spans, start=1)
    ]
    lines = ("\t".join(map(str, row)) + "\n" for row in (COLUMNS, *rows))
    table.write_bytes("".join(lines).encode("utf-8"))
    return len(rows)
