"""The numbers of the HTML report, over tables as the job leaves them."""

from __future__ import annotations

from pathlib import Path
from unicodedata import normalize

from cardio_ner.report.html.counts import Found, Outcome, count
from cardio_ner.report.tables import open_tables, packaged_sql
from hand_tables import document, rejected, span, unchanged, write_documents, write_spans


def test_a_document_counts_once_as_its_latest_row_and_rows_without_id_each(tmp_path: Path) -> None:
    write_documents(tmp_path, document("a", "b1-0", at=1), document("b", "b1-0", at=1))
    write_documents(tmp_path, unchanged("a", "b2-0", at=2, source="b1-0"), rejected("b", "b2-0", at=2))
    write_documents(tmp_path, *(rejected(None, "b2-0", at=2, reason="null_id", language=None) for _ in range(2)))
    write_spans(tmp_path, *(span(doc_id, "b1-0", "HTA") for doc_id in "ab"))
    counts = count(open_tables(tmp_path))
    assert counts.outcomes == (
        Outcome("rejected", "empty_text", "es", 1),
        Outcome("rejected", "null_id", "unknown", 2),
        Outcome("unchanged", None, "es", 1),
    )
    assert (counts.documents, counts.rejected, counts.mentions) == (4, 3, 1)
    assert (counts.rows, counts.batches) == (6, 2)
    assert counts.documents_by_mentions == {1: 1}


def test_mentions_are_counted_by_type_and_language_and_alike_but_for_case(tmp_path: Path) -> None:
    write_documents(tmp_path, document("a", "b1-0", at=1), document("b", "b1-0", at=1), document("c", "b1-0", at=1))
    write_spans(tmp_path, span("a", "b1-0", "HTA"), span("a", "b1-0", "hta", start=9), span("b", "b1-0", "ictus"))
    counts = count(open_tables(tmp_path))
    assert counts.found == (Found("DISEASE", "es", mentions=3, records=2, different=2),)
    assert counts.documents_by_mentions == {0: 1, 1: 1, 2: 1}


def test_accents_are_the_same_however_they_are_written(tmp_path: Path) -> None:
    write_documents(tmp_path, document("a", "b1-0", at=1), document("b", "b1-0", at=1))
    for doc_id, form in (("a", "NFC"), ("b", "NFD")):
        write_spans(tmp_path, span(doc_id, "b1-0", normalize(form, "Derrame pericárdico")))
    tables = open_tables(tmp_path)
    assert count(tables).found == (Found("DISEASE", "es", mentions=2, records=2, different=1),)
    told = [tuple(row[1:]) for row in tables.execute(packaged_sql("top_mentions")).fetchall()]
    assert told == [("DISEASE", normalize("NFC", "derrame pericárdico"), 2, 2)]


def test_scores_fall_into_twenty_parts_and_a_certain_one_into_the_last(tmp_path: Path) -> None:
    write_documents(tmp_path, document("a", "b1-0", at=1))
    scores = (0.0, 0.049, 0.05, 0.999, 1.0, None)
    write_spans(tmp_path, *(span("a", "b1-0", "x", start=place, score=score) for place, score in enumerate(scores)))
    assert count(open_tables(tmp_path)).scores == {"DISEASE": {0: 2, 1: 1, 19: 2}}
