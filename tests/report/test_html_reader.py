"""The data of the HTML report's reader: texts that are those annotated, cut in code points, safe in a page."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest

from cardio_ner.report.html.counts import count
from cardio_ner.report.html.reader import Record, read_records, reader_json
from cardio_ner.report.tables import open_tables
from hand_tables import document, rejected, sha, span, write_documents, write_spans

TEXT = "💊 Alergia a penicilina.\r\nToma «AAS\x00»."
NASTY = "</script><script>alert(1)</script><!-- & \u2028\u2029"


def records_of(output: Path, notes: Path | None) -> list[Record]:
    tables = open_tables(output)
    count(tables)
    return list(read_records(tables, notes))


def data_of(records: list[Record]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(reader_json(records, ["DISEASE", "MEDICATION"]))
    return data


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """One record: a mention within another, and one with a control character."""
    out = tmp_path / "out"
    write_documents(out, document("es/a", "b1-0", at=1, text=TEXT))
    medication = {"of": TEXT, "entity_type": "MEDICATION"}
    write_spans(
        out,
        span("es/a", "b1-0", "Alergia a penicilina", of=TEXT, start=2, score=0.9),
        span("es/a", "b1-0", "penicilina", start=12, **medication),
        span("es/a", "b1-0", "AAS\x00", start=31, **medication),
    )
    return out


def write_note(tmp_path: Path, doc_id: str, content: bytes) -> Path:
    path = tmp_path / "notes" / f"{doc_id}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return tmp_path / "notes"


def test_a_text_is_cut_in_code_points_and_shown_with_pictures_of_control_characters(
    output: Path, tmp_path: Path
) -> None:
    notes = write_note(tmp_path, "es/a", TEXT.encode())
    data = data_of(records_of(output, notes))
    (record,) = data["records"]
    assert record["pieces"] == [
        ["💊 "], ["Alergia a ", 0], ["penicilina", 0, 1], [".\nToma «"], ["AAS␀", 2], ["»."],
    ]  # fmt: skip
    assert [data["groups"][group]["text"] for group, _ in record["mentions"]] == [
        "Alergia a penicilina", "penicilina", "AAS␀",
    ]  # fmt: skip
    assert record["mentions"][0][1] == 0.9
    assert data["groups"][1]["examples"] == [[0, "💊 Alergia a ", "penicilina", "."]]


def test_a_file_that_changed_since_or_is_not_there_is_not_shown_and_says_so(output: Path, tmp_path: Path) -> None:
    changed = write_note(tmp_path / "changed", "es/a", TEXT.encode() + b" ")
    elsewhere = write_note(tmp_path, "es/b", b"")
    for notes, why in (
        (None, "made without the folder of notes"),
        (elsewhere, "no file of this name"),
        (changed, "changed since"),
    ):
        (record,) = records_of(output, notes)
        assert record.text is None
        assert why in record.without_text
        (told,) = data_of([record])["records"]
        assert told["pieces"] == []
        assert len(told["mentions"]) == 3


def test_a_text_that_is_not_utf_8_is_not_shown(tmp_path: Path) -> None:
    content = "Sigue con diurético.".encode("latin-1")
    notes = write_note(tmp_path, "a", content)
    write_documents(
        tmp_path / "out",
        rejected("a", "b1-0", at=1, reason="invalid_encoding", text_sha256=hashlib.sha256(content).hexdigest()),
    )
    (record,) = records_of(tmp_path / "out", notes)
    assert (record.text, record.without_text) == (None, "The file is not UTF-8.")
    assert record.outcome == "rejected: invalid_encoding"


@pytest.mark.parametrize("doc_id", ["../secret", "/tmp/secret", "a\x00b", "x" * 5000])
def test_an_identifier_never_leads_out_of_the_folder_of_notes(tmp_path: Path, doc_id: str) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "secret.txt").write_text("A")
    write_documents(tmp_path / "out", document(doc_id, "b1-0", at=1, text="A"))
    (record,) = records_of(tmp_path / "out", tmp_path / "notes")
    assert "no file of this name" in record.without_text


def test_no_text_can_end_the_script_element_or_start_a_comment(tmp_path: Path) -> None:
    write_documents(tmp_path / "out", document("</script>", "b1-0", at=1, text=NASTY))
    write_spans(tmp_path / "out", span("</script>", "b1-0", "</script>", of=NASTY))
    records = [Record("</script>", "es", "annotated", (), NASTY, "")]
    written = reader_json(records, ["DISEASE"])
    assert not set("<>&\u2028\u2029") & set(written)
    assert json.loads(written)["records"][0]["pieces"] == [[NASTY]]


def test_mentions_are_the_same_but_for_case_and_spaces_and_examples_come_from_different_records(
    tmp_path: Path,
) -> None:
    texts = {"a": "Toma AAS. Luego aas.", "b": "Deja  aas  100."}
    for doc_id, text in texts.items():
        write_note(tmp_path, doc_id, text.encode())
        write_documents(tmp_path / "out", document(doc_id, "b1-0", at=1, text=text))
    for doc_id, start, mention, score in (("a", 5, "AAS", 0.6), ("a", 16, "aas", 0.9), ("b", 6, "aas", 0.5)):
        write_spans(tmp_path / "out", span(doc_id, "b1-0", mention, of=texts[doc_id], start=start, score=score))
    (group,) = data_of(records_of(tmp_path / "out", tmp_path / "notes"))["groups"]
    assert group["text"] == "aas"
    assert group["examples"] == [[0, "Luego ", "aas", "."], [1, "Deja ", "aas", " 100."]]


def test_mentions_are_the_same_however_their_accents_are_written(tmp_path: Path) -> None:
    mentions = {form: normalize(form, "Pericárdico") for form in ("NFC", "NFD")}
    for doc_id, mention in mentions.items():
        write_documents(tmp_path / "out", document(doc_id, "b1-0", at=1, text=mention))
        write_spans(tmp_path / "out", span(doc_id, "b1-0", mention, of=mention))
    data = data_of(records_of(tmp_path / "out", None))
    assert [group["text"] for group in data["groups"]] == [mentions["NFC"]]
    assert [record["mentions"] for record in data["records"]] == [[[0, 0.5]], [[0, 0.5]]]


def test_a_rejected_record_is_there_with_its_reason_and_rows_without_identifier_are_not(tmp_path: Path) -> None:
    write_documents(
        tmp_path / "out", rejected("a", "b1-0", at=1, text="", text_sha256=sha("")), rejected(None, "b1-0", at=1)
    )
    notes = write_note(tmp_path, "a", b"")
    assert records_of(tmp_path / "out", notes) == [Record("a", "es", "rejected: empty_text", (), "", "")]
