"""An output folder over texts, tagged by the checkpoints that ship, without Spark: tables and run.json as the job's."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cardio_ner.corpus.standoff import read_text
from cardio_ner.document import Document
from cardio_ner.tagger import Tagger
from hand_tables import document, span, write_documents, write_spans

STARTED = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
COMMITTED_AT_SECONDS = (14.0, 19.5, 23.8, 30.1, 34.9, 41.2)
"""The first batch waits for Spark and the models."""


def write_example_run(output: Path, notes: Path, names: Sequence[str], *, per_batch: int = 6) -> Path:
    """Tag `notes/<name>.txt` (names are like `es/01_…`) and write what the job would, a batch for every few texts."""
    taggers: dict[str, Tagger] = {}
    found: Counter[str] = Counter()
    tokens = 0
    for number, name in enumerate(names):
        language = name.split("/")[0]
        tagger = taggers.setdefault(language, taggers.get(language) or Tagger.load(language))
        text = read_text(notes / f"{name}.txt")
        (tagged,) = tagger.tag_counted([Document(name, language, text)])
        tokens += tagged.n_tokens
        write_tagged(output, tagged.document, f"b1-{number // per_batch}", number // per_batch)
        found.update(f"{language} {one.entity_type}" for one in tagged.document.spans)
    n_batches = -(-len(names) // per_batch)
    write_account(
        output, rows=len(names), batches=n_batches, tokens=tokens, mentions=dict(found), languages=sorted(taggers)
    )
    return output


def write_tagged(output: Path, tagged: Document, batch: str, number: int) -> None:
    """A row of documents and the rows of spans of a record, committed with the batch of that number."""
    at = STARTED + timedelta(seconds=COMMITTED_AT_SECONDS[number])
    text, language = tagged.text, tagged.language
    values: dict[str, Any] = {"language": language, "n_spans": len(tagged.spans), "annotated_at": at}
    write_documents(output, document(tagged.doc_id, batch, at=1, text=text, **values))
    for one in tagged.spans:
        kind = {"entity_type": one.entity_type, "language": language, "score": one.score}
        write_spans(output, span(tagged.doc_id, batch, tagged.mention(one), of=text, start=one.start, **kind))


def write_account(output: Path, *, rows: int, batches: int = 1, **values: Any) -> None:
    """run.json with the job's keys; `values` replace some."""
    seconds = COMMITTED_AT_SECONDS[batches - 1] + 0.5
    tokens = values.get("tokens", 10 * rows)
    languages = values.pop("languages", ["es"])
    account = {
        "input": "/notes", "output": str(output), "stream": "b1", "annotator_version": "0.1.0", "spark": "4.3.0",
        "checkpoints": {code: f"{code}-0123456789abcdef" for code in languages}, "settings": {},
        "started": STARTED.isoformat(), "ended": (STARTED + timedelta(seconds=seconds)).isoformat(), "ending": "done",
        "error_type": None, "seconds": seconds, "batches": [f"b1-{number}" for number in range(batches)], "rows": rows,
        "rows_by_outcome": {"annotated": rows}, "rows_by_language": {}, "rows_by_error_type": {}, "mentions": {},
        "tokens": tokens, "rows_per_second": round(rows / seconds, 3), "tokens_per_second": round(tokens / seconds, 3),
    }  # fmt: skip
    (output / "run.json").write_text(json.dumps(account | values, indent=2), encoding="utf-8")
