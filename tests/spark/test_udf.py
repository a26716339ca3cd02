"""The UDF's rows: each failure is its own, languages are folded or detected, nulls pass through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from cardio_ner.document import Document, Span
from cardio_ner.errors import CheckpointError
from cardio_ner.spark.settings import Model, Settings, open_models
from cardio_ner.spark.udf import _tag_each, _tagger, annotation_udf
from cardio_ner.tagger import TaggedDocument, Tagger

PRIVATE = "SECRET-NAME"


@dataclass
class FailsOn:
    """Stands in for a Tagger: raises for texts that hold a marker, quoting them, as a careless library would."""

    marker: str

    def tag_counted(self, documents: Iterable[Document]) -> Iterator[TaggedDocument]:
        for document in documents:
            if self.marker in document.text:
                raise RuntimeError(document.text)
            yield TaggedDocument(document.with_spans([Span(0, 3, "DISEASE", 0.5)]), 1)


def test_a_document_that_raises_costs_its_own_row_and_no_text_leaves_with_it() -> None:
    documents = [Document(str(i), "es", text) for i, text in enumerate(["IAM a", PRIVATE, "IAM b"])]
    rows = _tag_each(FailsOn(PRIVATE), documents)  # type: ignore[arg-type]
    assert [row.get("status") for row in rows] == ["annotated", None, "annotated"]
    assert rows[1] == {"reason": "failed", "error_type": "RuntimeError"}
    assert rows[2]["spans"][0]["text"] == "IAM"


def test_rows_come_back_in_order_with_languages_given_folded_or_detected(spark: SparkSession) -> None:
    rows = [
        ("Paciente con fibrilación auricular en tratamiento con apixaban.", None, "es", "detected", None),
        ("The patient has atrial fibrillation and takes apixaban every day.", " EN-gb ", "en", "given", None),
        ("Paziente con fibrillazione atriale in terapia con apixaban.", "ita", "it", "given", None),
        ("Le patient prend de l'apixaban.", "fr", "fr", "given", "unsupported_language"),
        (None, "es", None, None, None),
    ]
    frame = spark.createDataFrame([row[:2] for row in rows], "text string, language string").coalesce(1)
    udf = annotation_udf(Settings(), open_models(Settings()))
    found = [row.a for row in frame.select(udf(F.col("text"), F.col("language")).alias("a")).collect()]
    assert [(a.language, a.language_source, a.reason) for a in found] == [row[2:] for row in rows]
    assert [a.status for a in found] == ["annotated"] * 3 + ["rejected", None]
    assert all("apixaban" in {m.text for m in a.spans if m.entity_type == "MEDICATION"} for a in found[:3])


def test_spark_finds_exactly_what_the_tagger_finds(spark: SparkSession) -> None:
    texts = ["Alergia a penicilina. HTA, DM2 y FA; toma enalapril 5 mg.", "Fiebre.\r\nAmiodarona 💊 200\u00a0mg"]
    udf = annotation_udf(Settings(), open_models(Settings()))
    frame = spark.createDataFrame([(text, "es") for text in texts], "text string, language string").coalesce(1)
    found = [row.a.spans for row in frame.select(udf(F.col("text"), F.col("language")).alias("a")).collect()]
    documents = Tagger.load("es").tag(Document(str(i), "es", text) for i, text in enumerate(texts))
    for mentions, document in zip(found, documents, strict=True):
        assert [(m.start_offset, m.end_offset, m.entity_type, m.text) for m in mentions] == [
            (s.start, s.end, s.entity_type, document.mention(s)) for s in document.spans
        ]
        assert [m.score for m in mentions] == pytest.approx([s.score for s in document.spans], abs=0.02)


def test_a_worker_that_holds_another_checkpoint_than_the_driver_refuses() -> None:
    name = open_models(Settings())["es"].name
    with pytest.raises(CheckpointError, match="expected one checkpoint on all machines"):
        _tagger(Model(name=name, model_id="m0123456789abcdef"), "cpu", "auto", 4096)
