"""The UDF's rows: each failure is its own, languages are folded or detected, nulls pass through."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd
import pytest
import torch
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from cardio_ner.document import Document, Span
from cardio_ner.errors import CheckpointError, DeviceError, DeviceLostError
from cardio_ner.spark import tagging, worker
from cardio_ner.spark.placement import Place
from cardio_ner.spark.settings import Model, Settings, open_models
from cardio_ner.spark.tagging import Outcome, TaggerSpec, failure, load_tagger, tag_each
from cardio_ner.spark.udf import Progress, annotation_udf
from cardio_ner.tagger import TaggedDocument, Tagger

PRIVATE = "SECRET-NAME"
SPEC = TaggerSpec(Model(name="fake", model_id="m0"), Place("cpu"), "auto", 4096)


@dataclass
class FailsOn:
    """Stands in for a Tagger: raises for texts that hold a marker, quoting them, as a careless library would."""

    marker: str
    error: type[BaseException] = RuntimeError
    model_id: str = "m0"
    groups: list[int] = field(default_factory=list)

    def tag_counted(self, documents: Sequence[Document]) -> Iterator[TaggedDocument]:
        self.groups.append(len(documents))
        for document in documents:
            if self.marker in document.text:
                os.write(1, document.text.encode())
                os.write(2, document.text.encode())
                raise self.error(document.text)
            yield TaggedDocument(document.with_spans([Span(0, 3, "DISEASE", 0.5)]), 1)


def tagging_with(tagger: FailsOn, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], list[Outcome]]:
    """`tag_each` of texts, by that tagger."""
    monkeypatch.setattr(tagging, "load_tagger", lambda spec: tagger)
    return lambda texts: tag_each(SPEC, [Document(str(i), "es", text) for i, text in enumerate(texts)])


class Panic(BaseException):
    """As the exceptions of panicking Rust code are: no Exception."""


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, Panic])
def test_a_document_that_raises_costs_its_own_row_and_no_text_leaves_with_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], error: type[BaseException]
) -> None:
    rows = tagging_with(FailsOn(PRIVATE, error), monkeypatch)(["IAM a", PRIVATE, "IAM b"])
    assert [row.get("status") for row in rows] == ["annotated", None, "annotated"]
    assert rows[1] == {"reason": "failed", "error_type": error.__name__}
    assert rows[2]["spans"][0]["text"] == "IAM"
    assert capfd.readouterr() == ("", "")


def test_the_culprit_among_many_is_found_by_halving(monkeypatch: pytest.MonkeyPatch) -> None:
    tagger = FailsOn(PRIVATE)
    rows = tagging_with(tagger, monkeypatch)([PRIVATE if i in (17, 200) else f"IAM {i}" for i in range(256)])
    assert [i for i, row in enumerate(rows) if row.get("reason")] == [17, 200]
    assert [row["spans"][0]["text"] for i, row in enumerate(rows) if i not in (17, 200)] == ["IAM"] * 254
    assert len(tagger.groups) <= 1 + 2 * 2 * 8


@pytest.mark.parametrize("error", [DeviceError, DeviceLostError])
def test_what_the_device_cannot_do_is_no_documents_fault(
    monkeypatch: pytest.MonkeyPatch, error: type[DeviceError]
) -> None:
    with pytest.raises(error):
        tagging_with(FailsOn("IAM", error), monkeypatch)(["IAM a", "IAM b"])


def test_a_text_whose_language_cannot_be_told_costs_its_own_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def detect(text: str, among: tuple[str, ...]) -> str | None:
        if PRIVATE in text:
            raise ValueError(text)
        return None if text == "?" else "es"

    monkeypatch.setattr(worker, "detect_language", detect)
    monkeypatch.setattr(tagging, "load_tagger", lambda spec: FailsOn("nothing"))
    rows = worker._annotate_batch([["?", PRIVATE, "IAM a"], [None] * 3], {"es": SPEC}, tag_each, {})
    found = [(r["status"], r["reason"], r["error_type"], r["language"], r["language_source"]) for r in rows]
    assert found == [
        ("rejected", "unsupported_language", None, None, "detected"),
        ("rejected", "failed", "ValueError", None, None),
        ("annotated", None, None, "es", "detected"),
    ]


def test_short_batches_are_tagged_together_and_come_back_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    tagged: list[list[str]] = []

    def tag(_: TaggerSpec, documents: Sequence[Document]) -> list[Outcome]:
        tagged.append([document.text for document in documents])
        return [{"n_tokens": int(document.text[0])} for document in documents]

    monkeypatch.setattr(worker, "tag_each", tag)
    monkeypatch.setattr(worker, "READ_AHEAD_CHARS", 8)
    texts = [["1 a", None], [], ["2 bb"], ["3 c" * 9], [None], ["4 d", "5 e"], ["6 f"]]
    batches = ((pd.Series(its, dtype=object), pd.Series(["es"] * len(its), dtype=object)) for its in texts)
    found = list(
        worker.annotate_each(batches, Settings(device="cpu"), {"es": Model(name="x", model_id="m0")}, careful=False)
    )
    assert [[row["n_tokens"] for row in rows] for rows in found] == [[1, None], [], [2], [3], [None], [4, 5], [6]]
    assert tagged == [["1 a", "2 bb", "3 c" * 9], ["4 d", "5 e", "6 f"]]


def test_of_a_tasks_rows_with_one_identity_and_language_the_first_is_tagged(monkeypatch: pytest.MonkeyPatch) -> None:
    tagged: list[str] = []

    def tag(_: TaggerSpec, documents: Sequence[Document]) -> list[Outcome]:
        tagged.extend(document.text for document in documents)
        return [failure(ValueError()) if "bad" in d.text else {"status": "annotated", "spans": []} for d in documents]

    monkeypatch.setattr(worker, "tag_each", tag)
    monkeypatch.setattr(worker, "READ_AHEAD_CHARS", 8)
    batches = [
        (["long one", "long one", None], ["es", "es", "es"], ["1", "1", "1"]),
        (["long one", "long one", "long one", "short"], ["es", "en", "fr", "es"], ["1", "1", "1", "2"]),
        (["bad text", "bad text", "long one"], ["es", "es", "fr"], ["3", "3", "1"]),
        (["bad text"], ["es"], ["3"]),
    ]
    models = {code: Model(name="x", model_id="m0") for code in ("es", "en")}
    columns = (tuple(pd.Series(column, dtype=object) for column in batch) for batch in batches)
    found = list(worker.annotate_each(columns, Settings(device="cpu"), models, careful=False))
    assert [[row["reason"] or row["status"] for row in rows] for rows in found] == [
        ["annotated", "unchanged", None],
        ["unchanged", "annotated", "unsupported_language", "annotated"],
        ["failed", "failed", "unsupported_language"],
        ["failed"],
    ]
    assert [row["error_type"] for rows in found[2:] for row in rows] == ["ValueError", "ValueError", None, "ValueError"]
    assert found[0][1]["spans"] is found[0][1]["n_tokens"] is None
    assert found[0][1]["language"] == "es"
    assert tagged == ["long one", "long one", "short", "bad text"]


def test_what_a_worker_has_loaded_is_no_longer_walked_through_for_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tagger, "load", lambda *_, **__: FailsOn("nothing"))
    load_tagger.cache_clear()
    try:
        load_tagger(SPEC)
        assert gc.get_freeze_count() > 100_000  # torch alone has more
    finally:
        load_tagger.cache_clear()
        gc.unfreeze()


def test_the_driver_never_imports_torch() -> None:
    code = "import sys, cardio_ner.spark.pipeline; print([n for n in ('torch', 'transformers') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_rows_come_back_in_order_with_languages_given_folded_or_detected(spark: SparkSession) -> None:
    rows = [
        ("Paciente con fibrilación auricular en tratamiento con apixaban.", None, "es", "detected", None),
        ("The patient has atrial fibrillation and takes apixaban every day.", " EN-gb ", "en", "given", None),
        ("Paziente con fibrillazione atriale in terapia con apixaban.", "ita", "it", "given", None),
        ("Le patient prend de l'apixaban.", "fr", "fr", "given", "unsupported_language"),
        (None, "es", None, None, None),
    ]
    frame = spark.createDataFrame([row[:2] for row in rows], "text string, language string").coalesce(1)
    annotate = annotation_udf(Settings(), open_models(Settings()))
    found = [row.a for row in frame.select(annotate(F.col("text"), F.col("language")).alias("a")).collect()]
    assert [(a.language, a.language_source, a.reason) for a in found] == [row[2:] for row in rows]
    assert [a.status for a in found] == ["annotated"] * 3 + ["rejected", None]
    assert all("apixaban" in {m.text for m in a.spans if m.entity_type == "MEDICATION"} for a in found[:3])


def test_spark_finds_exactly_what_the_tagger_finds(spark: SparkSession) -> None:
    texts = ["Alergia a penicilina. HTA, DM2 y FA; toma enalapril 5 mg.", "Fiebre.\r\nAmiodarona 💊 200\u00a0mg"]
    annotate = annotation_udf(Settings(), open_models(Settings()))
    frame = spark.createDataFrame([(text, "es") for text in texts], "text string, language string").coalesce(1)
    found = [row.a.spans for row in frame.select(annotate(F.col("text"), F.col("language")).alias("a")).collect()]
    documents = Tagger.load("es").tag(Document(str(i), "es", text) for i, text in enumerate(texts))
    for mentions, document in zip(found, documents, strict=True):
        assert [(m.start_offset, m.end_offset, m.entity_type, m.text) for m in mentions] == [
            (s.start, s.end, s.entity_type, document.mention(s)) for s in document.spans
        ]
        assert [m.score for m in mentions] == pytest.approx([s.score for s in document.spans], abs=0.02)


def test_a_worker_that_holds_another_checkpoint_than_the_driver_refuses() -> None:
    name = open_models(Settings())["es"].name
    with pytest.raises(CheckpointError, match="expected one checkpoint on all machines"):
        load_tagger(TaggerSpec(Model(name=name, model_id="m0123456789abcdef"), Place("cpu"), "auto", 4096))


def test_one_tagger_is_loaded_per_checkpoint_and_device(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[tuple[str, str]] = []

    def load(name: str, *, device: str, **_: object) -> FailsOn:
        loaded.append((name, device))
        return FailsOn("nothing")

    monkeypatch.setattr(Tagger, "load", load)
    monkeypatch.setattr(tagging, "choose_device", torch.device)
    specs = [replace(SPEC, place=Place(device)) for device in ("cuda:0", "cuda:1", "cuda:0")]
    first, second, again = (load_tagger(spec) for spec in specs)
    load_tagger.cache_clear()
    assert loaded == [("fake", "cuda:0"), ("fake", "cuda:1")]
    assert first is again
    assert first is not second


def test_a_task_that_shares_its_gpu_limits_its_memory_before_the_weights_are_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[object] = []
    monkeypatch.setattr(tagging, "choose_device", torch.device)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *limit: done.append(limit))
    monkeypatch.setattr(Tagger, "load", lambda *_, **__: done.append("loaded") or FailsOn("nothing"))
    load_tagger(replace(SPEC, place=Place("cuda:1", 0.25)))
    load_tagger(replace(SPEC, place=Place("cuda:1", 1.0)))
    load_tagger.cache_clear()
    assert done == [(0.25, torch.device("cuda:1")), "loaded", "loaded"]


def test_the_driver_learns_of_the_documents_and_tokens_done(spark: SparkSession) -> None:
    context = spark.sparkContext
    progress = Progress(context.accumulator(0), context.accumulator(0))
    annotate = annotation_udf(Settings(), open_models(Settings()), progress=progress)
    rows = [("Alergia a penicilina.", "es"), ("Prend du bisoprolol.", "fr"), (None, None), ("HTA y DM2.", "es")]
    frame = spark.createDataFrame(rows, "text string, language string")
    found = [row.a for row in frame.select(annotate(F.col("text"), F.col("language")).alias("a")).collect()]
    assert progress.documents.value == len(rows)
    assert progress.tokens.value == sum(a.n_tokens or 0 for a in found) > 0
