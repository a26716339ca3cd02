"""The one pandas UDF: (text, language) in, one annotation struct per row out, in order.

Contract
- A row's failure is its own: it comes back `rejected` / `failed` with the error's type. No text reaches a message.
- Weights are loaded once per Python worker and language, from a path: never broadcast, never pickled.
- A null text was rejected before (see source.py) and comes back as a null struct.
The next step up (GPU placement by the task's resources, reading ahead several Arrow batches, bisection of a batch
whose worker dies) has its place in `_tagger` and `_annotate_batch`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import pandas as pd
from pyspark.sql.pandas.functions import pandas_udf

from cardio_ner.document import Document
from cardio_ner.errors import CheckpointError
from cardio_ner.language import detect_language, fold_language
from cardio_ner.spark.schema import ANNOTATION
from cardio_ner.spark.settings import Model, Settings
from cardio_ner.tagger import TaggedDocument, Tagger

Row = dict[str, Any]


def annotation_udf(settings: Settings, models: dict[str, Model]) -> Any:
    """The UDF of a run, for `dataframe.select(udf(text, language))`; not deterministic for the optimiser, so that
    Spark neither repeats nor moves it."""
    languages = tuple(sorted(models))

    def annotate(batches: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.DataFrame]:
        for texts, given in batches:
            rows = _annotate_batch(texts.tolist(), given.tolist(), languages, settings, models)
            yield pd.DataFrame(rows, columns=ANNOTATION.names)

    return pandas_udf(annotate, ANNOTATION).asNondeterministic()  # type: ignore[call-overload]


def _annotate_batch(
    texts: Sequence[str | None],
    given: Sequence[str | None],
    languages: tuple[str, ...],
    settings: Settings,
    models: dict[str, Model],
) -> list[Row]:
    """One struct per row, in order; rows are tagged language by language."""
    rows: list[Row] = [_struct(None) for _ in texts]
    by_language: dict[str, list[int]] = {}
    for position, (text, code) in enumerate(zip(texts, given, strict=True)):
        if text is None:
            continue
        folded = fold_language(code)
        language = folded or detect_language(text, languages)
        row = _struct("rejected", language=language, language_source="given" if folded else "detected")
        rows[position] = row
        if language in models:
            by_language.setdefault(language, []).append(position)
        else:
            row["reason"] = "unsupported_language"
    for language, positions in by_language.items():
        tagger = _tagger(models[language], settings.device, settings.precision, settings.max_tokens_per_batch)
        documents = [Document(str(position), language, texts[position] or "") for position in positions]
        for position, outcome in zip(positions, _tag_each(tagger, documents), strict=True):
            rows[position] |= outcome
    return rows


def _struct(status: str | None, **values: Any) -> Row:
    """A row of ANNOTATION with the values given and nulls elsewhere."""
    return dict.fromkeys(ANNOTATION.names) | {"status": status} | values


def _tag_each(tagger: Tagger, documents: list[Document]) -> list[Row]:
    """What tagging adds to each row. If tagging them together fails, each is tried alone, and the culprit is marked."""
    try:
        return [_annotated(tagged) for tagged in tagger.tag_counted(documents)]
    except Exception as error:  # noqa: BLE001  whatever one record provokes must not cost the others
        if len(documents) == 1:
            return [{"reason": "failed", "error_type": type(error).__name__}]
    return [row for document in documents for row in _tag_each(tagger, [document])]


def _annotated(tagged: TaggedDocument) -> Row:
    document = tagged.document
    mentions = [
        {
            "entity_type": span.entity_type,
            "start_offset": span.start,
            "end_offset": span.end,
            "text": document.mention(span),
            "score": span.score,
        }
        for span in document.spans
    ]
    return {"status": "annotated", "n_tokens": tagged.n_tokens, "spans": mentions}


@cache
def _tagger(model: Model, device: str, precision: str, max_tokens_per_batch: int) -> Tagger:
    """The worker's tagger for a checkpoint, loaded once. Raises CheckpointError if this machine holds another one."""
    tagger = Tagger.load(model.name, device=device, precision=precision, max_tokens_per_batch=max_tokens_per_batch)
    if tagger.model_id != model.model_id:
        raise CheckpointError(
            f"{model.name}: the driver has {model.model_id}, this worker {tagger.model_id}: expected one checkpoint on "
            "all machines; install the same package everywhere or point checkpoints to a shared path"
        )
    return tagger
