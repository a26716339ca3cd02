"""What a Python worker does with its rows: languages told or detected, documents tagged, failures kept to their rows.

Contract
- A row's failure is its own: it comes back `rejected` / `failed` with the error's type. No text reaches a message.
- A null text was rejected before (see source.py) and comes back as a null struct.
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

Texts = list[str | None]
Row = dict[str, Any]
"""The fields of ANNOTATION."""
TagEach = Callable[[TaggerSpec, Sequence[Document]], list[Outcome]]


def annotate_each(
    batches: Iterator[tuple[pd.Series, pd.Series]], settings: Settings, models: dict[str, Model], *, careful: bool
) -> Iterator[list[Row]]:
    """Of each Arrow batch of (texts, languages) one struct per row, in order."""
    place = place_of_task(settings.device)
    specs = {
        language: TaggerSpec(model, place, settings.precision, settings.max_tokens_per_batch)
        for language, model in sorted(models.items())
    }
    with TaggingProcess() if careful else nullcontext() as process:
        for together in read_ahead(batches):
            texts, given = ([value for batch in together for value in batch[side]] for side in (0, 1))
            rows = iter(_annotate_batch(texts, given, specs, process.tag_each if process else tag_each))
            for own, _ in together:
                yield list(islice(rows, len(own)))


def read_ahead(batches: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[list[tuple[Texts, Texts]]]:
    """(texts, languages) of the Arrow batches that are tagged together."""
    together: list[tuple[Texts, Texts]] = []
    chars = 0
    for texts, languages in batches:
        together.append((texts.tolist(), languages.tolist()))
        chars += sum(len(text) for text in together[-1][0] if text is not None)
        if chars >= READ_AHEAD_CHARS:
            yield together
            together, chars = [], 0
    if together:
        yield together


def _annotate_batch(
    texts: Sequence[str | None], given: Sequence[str | None], specs: dict[str, TaggerSpec], tag: TagEach
) -> list[Row]:
    """One struct per row, in order; rows are tagged language by language."""
    rows: list[Row] = [_struct(None) for _ in texts]
    by_language: dict[str, list[int]] = {}
    for position, (text, code) in enumerate(zip(texts, given, strict=True)):
        if text is None:
            continue
        row = rows[position] = _struct("rejected", **_language_of(text, code, tuple(specs)))
        if row["language"] in specs:
            by_language.setdefault(row["language"], []).append(position)
        else:
            row["reason"] = row["reason"] or "unsupported_language"
    for language, positions in by_language.items():
        documents = [Document(str(position), language, texts[position] or "") for position in positions]
        for position, outcome in zip(positions, tag(specs[language], documents), strict=True):
            rows[position] |= outcome
    return rows


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
