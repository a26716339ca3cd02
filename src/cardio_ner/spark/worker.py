"""What a Python worker does with its rows: languages told or detected, documents tagged, failures kept to their rows.

Contract
- A row's failure is its own: it comes back `rejected` / `failed` with the error's type. No text reaches a message.
- A null text was rejected before (see gate.py) and comes back as a null struct.
- Of a task's rows with one identity (doc_id and text) and one language the first is tagged. The others are `unchanged`,
  without tokens and spans, where it could be annotated; else what became of it becomes of them.
- A row whose language is detected as the one that it is known in is `unchanged`, too.
- Arrow batches are tagged together until they hold READ_AHEAD_CHARS: of three languages and many lengths, one batch of
  short notes alone would fill no batch of the encoder's. One that holds more is tagged alone with those before it.
- `careful` is for a batch whose earlier attempt did not finish: documents are tagged in a child process, so that one
  that kills its process costs its own row too (see isolation.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import islice
from typing import Any

import pandas as pd

from cardio_ner.document import Document
from cardio_ner.language import detect_language, fold_language
from cardio_ner.spark.isolation import TaggingProcess
from cardio_ner.spark.placement import place_of_task
from cardio_ner.spark.schema import ANNOTATION
from cardio_ner.spark.settings import Model, Settings
from cardio_ner.spark.tagging import Outcome, TaggerSpec, failure, tag_each
from cardio_ner.tagger import LOOK_AHEAD_CHARS

READ_AHEAD_CHARS = LOOK_AHEAD_CHARS
"""As much as a Tagger reads ahead."""

Batch = tuple[pd.Series, ...]
"""An Arrow batch: texts, languages and, where copies are to be told, identities and the languages of what is known."""
Column = list[Any]
Row = dict[str, Any]
"""The fields of ANNOTATION."""
TagEach = Callable[[TaggerSpec, Sequence[Document]], list[Outcome]]


_COPY: Row = {"status": "unchanged", "reason": None, "error_type": None}


def annotate_each(
    batches: Iterator[Batch], settings: Settings, models: dict[str, Model], *, careful: bool
) -> Iterator[list[Row]]:
    """Of each of a task's Arrow batches one struct per row, in order."""
    place = place_of_task(settings.device)
    specs = {
        language: TaggerSpec(model, place, settings.precision, settings.max_tokens_per_batch)
        for language, model in sorted(models.items())
    }
    became: dict[str, Row] = {}
    with TaggingProcess() if careful else nullcontext() as process:
        for together in read_ahead(batches):
            columns = [[value for batch in together for value in batch[n]] for n in range(len(together[0]))]
            rows = iter(_annotate_batch(columns, specs, process.tag_each if process else tag_each, became))
            for own, *_ in together:
                yield list(islice(rows, len(own)))


def read_ahead(batches: Iterator[Batch]) -> Iterator[list[list[Column]]]:
    """The columns of the Arrow batches that are tagged together."""
    together: list[list[Column]] = []
    chars = 0
    for columns in batches:
        together.append([column.tolist() for column in columns])
        chars += sum(len(text) for text in together[-1][0] if text is not None)
        if chars >= READ_AHEAD_CHARS:
            yield together
            together, chars = [], 0
    if together:
        yield together


def _annotate_batch(
    columns: Sequence[Column], specs: dict[str, TaggerSpec], tag: TagEach, became: dict[str, Row]
) -> list[Row]:
    """One struct per row, in order; rows are tagged language by language. `became` has what became of the first row of
    each language and identity, and takes what becomes of these."""
    texts, given, *told = columns
    identities, known = (*told, None, None)[:2]
    rows: list[Row] = [_struct(None) for _ in texts]
    firsts: dict[str, Row] = {}
    copies: list[tuple[Row, str]] = []
    by_language: dict[str, list[int]] = {}
    for position, (text, code) in enumerate(zip(texts, given, strict=True)):
        if text is None:
            continue
        row = rows[position] = _struct("rejected", **_language_of(text, code, tuple(specs)))
        if row["language"] not in specs:
            row["reason"] = row["reason"] or "unsupported_language"
            continue
        if known and row["language"] == known[position]:
            row |= _COPY
            continue
        key = f"{row['language']} {identities[position]}" if identities else str(position)
        if key in became or firsts.setdefault(key, row) is not row:
            copies.append((row, key))
        else:
            by_language.setdefault(row["language"], []).append(position)
    for language, positions in by_language.items():
        documents = [Document(str(position), language, texts[position]) for position in positions]
        for position, outcome in zip(positions, tag(specs[language], documents), strict=True):
            rows[position] |= outcome
    if identities:
        became |= {key: _of_copy(first) for key, first in firsts.items()}
    for row, key in copies:
        row.update(became[key])
    return rows


def _of_copy(first: Row) -> Row:
    """What becomes of a copy; one object for most, as a task keeps it for each of its rows."""
    return _COPY if first["status"] == "annotated" else {name: first[name] for name in _COPY}


def _language_of(text: str, code: str | None, among: tuple[str, ...]) -> Outcome:
    """The language given, else detected; None where no language is likely enough."""
    folded = fold_language(code)
    if folded:
        return {"language": folded, "language_source": "given"}
    try:
        return {"language": detect_language(text, among), "language_source": "detected"}
    except Exception as error:  # noqa: BLE001  whatever one record provokes must not cost the others
        return failure(error)


def _struct(status: str | None, **values: Any) -> Row:
    """A row of ANNOTATION with the values given and nulls elsewhere."""
    return dict.fromkeys(ANNOTATION.names) | {"status": status} | values
