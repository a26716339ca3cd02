"""`write_html_report`: a run's output folder as one HTML file that needs no network and no other file.

Contract
- Record text is data, never markup. The template escapes whatever it prints, the data of the reader are JSON without
  `<`, the script puts text into text nodes only, and the page's Content-Security-Policy lets nothing run or load but
  the one script and the one style sheet that it names by their digests.
- With text, the page is as private as the records are. Without, it has counts only: no text of a record, no mention (a
  mention is record text), no identifier, no name of a file of the input; what remains are numbers, the names of
  statuses, reasons, languages, types, checkpoints and versions, and times. Small counts are not hidden.
- Text is in unless there are more than TEXT_BY_DEFAULT documents; whoever wants it then must say so.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from cardio_ner.document import DISEASE, MEDICATION
from cardio_ner.errors import InputError
from cardio_ner.report.html import charts
from cardio_ner.report.html.counts import Counts, count
from cardio_ner.report.html.reader import Record, read_records, reader_json
from cardio_ner.report.html.run import Run, pace, read_run
from cardio_ner.report.page import NEGATION_NOTE
from cardio_ner.report.tables import open_tables
from cardio_ner.report.texts import check_encoding

TEXT_BY_DEFAULT = 200
"""Up to so many documents, the page has their text unless told otherwise."""
MOST_WITH_TEXT = 2_000
"""More documents than this would make a page that browsers choke on (about 4 kB each)."""
COLOURS = 6


@dataclass(frozen=True, slots=True)
class HtmlReport:
    """What was written."""

    file: Path
    n_bytes: int
    documents: int
    with_text: bool
    texts: int
    """Records whose text is in the page."""


def write_html_report(
    output: Path, file: Path, *, notes: Path | None, with_text: bool | None = None, encoding: str | None = None
) -> HtmlReport:
    """Write the report of a job's `output` folder to `file`; `notes` is the folder of texts that was annotated, and
    `encoding` what the job was told of them.

    `with_text`: False leaves all record text out, True puts it in, None decides by the number of documents.
    Raises InputError where there are no tables, the notes are no folder, the encoding is none, the page would be too
    large, or the file cannot be written.
    """
    check_encoding(encoding)
    if file.is_dir():
        raise InputError(f"{file}: a folder: expected a file such as report.html")
    if not file.parent.is_dir():
        raise _unwritable(file, os.strerror(errno.ENOENT))
    tables = open_tables(output)
    if notes is not None and not notes.is_dir():
        raise InputError(f"{notes}: no such folder: expected the folder of notes that was annotated")
    counts = count(tables)
    with_text = counts.documents <= TEXT_BY_DEFAULT if with_text is None else with_text
    if with_text and counts.documents > MOST_WITH_TEXT:
        raise InputError(
            f"{output}: {counts.documents:,} documents: a report with their text has at most {MOST_WITH_TEXT:,}: "
            "leave the text out (--no-text), or annotate a sample into another output"
        )
    run = read_run(output)
    records = read_records(tables, notes, encoding) if with_text else ()
    speed = charts.pace(pace(tables, run)) if run else None
    page = _page(output.resolve().name, counts, run, speed, records if with_text else None, has_notes=notes is not None)
    _put(page, file)
    texts = sum(record.text is not None for record in records)
    return HtmlReport(file, len(page.encode()), counts.documents, with_text, texts)


def _page(
    name: str,
    counts: Counts,
    run: Run | None,
    speed: charts.Chart | None,
    records: Sequence[Record] | None,
    *,
    has_notes: bool,
) -> str:
    """The page; `records` is None where it is to have counts only."""
    types = _types(counts)
    script, style = _resource("page.js") + _resource("reader.js"), _resource("page.css")
    values = _numbers(counts, types) | {
        "name": name,
        "run": run,
        "pace": speed,
        "records": records,
        "texts": sum(record.text is not None for record in records or ()),
        "has_notes": has_notes,
        "text_by_default": TEXT_BY_DEFAULT,
        "data": Markup(reader_json(records, types)) if records is not None else None,
        "script": Markup(script),
        "style": Markup(style),
        "policy": _policy(script, style),
        "negation_note": NEGATION_NOTE,
        "version": version("cardio-ner"),
        "made": datetime.now(UTC),
    }
    template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return template.from_string(_resource("page.html.jinja")).render(values)


def _numbers(counts: Counts, types: Sequence[str]) -> dict[str, Any]:
    """What the template needs of the counts: as they are, by language, and drawn."""
    return {
        "counts": counts,
        "types": types,
        "kinds": {kind: f"type{place % COLOURS}" for place, kind in enumerate(types)},
        "outcomes": _by_language({(o.reason or o.status, o.language): o.documents for o in counts.outcomes}),
        "found": _by_language({(f.entity_type, f.language): f.mentions for f in counts.found}),
        "per_document": charts.mentions_per_document(counts.documents_by_mentions),
        "scores": charts.scores({kind: counts.scores.get(kind, {}) for kind in types}),
        "chart": charts,
    }


def _types(counts: Counts) -> list[str]:
    """The entity types, those of the models that ship first: a type's place gives its colour."""
    return sorted({found.entity_type for found in counts.found} | {DISEASE, MEDICATION}, key=_type_order)


def _type_order(name: str) -> tuple[bool, bool, str]:
    return name != DISEASE, name != MEDICATION, name


def _by_language(numbers: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    """Numbers by name and language as a table: its languages, and per name one number for each, and their sum."""
    languages = sorted({language for _, language in numbers})
    rows = {name: [numbers.get((name, language), 0) for language in languages] for name, _ in numbers}
    most = max((sum(row) for row in rows.values()), default=0)
    return {"languages": languages, "rows": rows, "most": most}


def _policy(script: str, style: str) -> str:
    """Nothing is loaded, and nothing runs but what has these digests."""
    return (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )


def _digest(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _resource(name: str) -> str:
    """A file of the page, which ships beside this module."""
    return files("cardio_ner.report.html").joinpath(name).read_text(encoding="utf-8")


def _put(page: str, file: Path) -> None:
    """The file appears whole, or the old one stays."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        fresh.write_text(page, encoding="utf-8", newline="\n")
        fresh.replace(file)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        raise _unwritable(file, error.strerror) from None


def _unwritable(file: Path, why: str | None) -> InputError:
    return InputError(f"{file}: cannot be written ({why}): expected a file in a folder that is there")
