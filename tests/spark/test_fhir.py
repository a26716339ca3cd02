"""Each line of a FHIR export is one row: its text exactly as the bytes say, or why it cannot be read."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import Row, SparkSession

from awkward_texts import awkward_texts
from cardio_ner.spark.fhir import document_references

NOTE = "Estenosis aórtica.\r\nTto: bisoprolol 2,5\u00a0mg 💊, perche\u0301 «grave»\n"
LATIN = "Estenosis aórtica; ñ, ü, ¿?\r\n\t2,5\u00a0mg"


def attachment(content: bytes, content_type: str | None = "text/plain; charset=UTF-8", **more: Any) -> dict[str, Any]:
    typed = {} if content_type is None else {"contentType": content_type}
    return typed | {"data": base64.b64encode(content).decode()} | more


def resource(*attachments: dict[str, Any], **more: Any) -> bytes:
    content = [{"attachment": one, "format": {"code": "urn:x"}} for one in attachments]
    document = {"resourceType": "DocumentReference", "id": "d1", "status": "current", "content": content} | more
    return json.dumps(document, ensure_ascii=False).encode()


def rows_of(spark: SparkSession, *lines: bytes | None) -> list[Row]:
    frame = spark.createDataFrame([(line, i) for i, line in enumerate(lines)], "raw binary, line int").coalesce(1)
    rows = document_references(frame.selectExpr("cast(raw as string) as value", "line")).collect()
    assert [row.line for row in rows] == list(range(len(lines)))
    return rows


def test_a_note_comes_out_as_its_bytes_say_with_the_other_columns_carried_along(spark: SparkSession) -> None:
    line = resource(attachment(NOTE.encode(), language="es-ES"), language="en")
    frame = spark.createDataFrame([(line.decode(), "a.ndjson", 7)], "value string, `file name` string, n int")
    found = document_references(frame)
    assert found.columns == ["file name", "n", "doc_id", "text", "language", "reason", "error_type"]
    assert found.collect() == [("a.ndjson", 7, "d1", NOTE, "es-ES", None, None)]


def test_the_charset_of_the_content_type_is_honoured(spark: SparkSession) -> None:
    cases = [
        ("text/plain", "utf-8", NOTE),
        ("Text/Plain;charset=utf8", "utf-8", NOTE),
        (None, "utf-8", NOTE),
        ("text/plain; charset=us-ascii", "ascii", "Hb 11.2\r\n"),
        ('text/plain; format=flowed; Charset = "ISO-8859-1"', "latin-1", LATIN),
        ("text/plain; charset=latin1", "latin-1", LATIN),
        ("text/plain; charset=iso-8859-15", "iso8859-15", LATIN + "€ Šœ"),
        ("text/plain; charset=windows-1252", "cp1252", LATIN + "“€ 5” — Œ"),
        ("text/plain; charset=utf-16", "utf-16", NOTE),
        ("text/plain; charset=utf-16", "utf-16-be", NOTE),
        ("text/plain; charset=UTF-16BE", "utf-16-be", NOTE),
        ("text/plain; charset=UTF-16LE", "utf-16-le", NOTE),
    ]
    rows = rows_of(spark, *(resource(attachment(text.encode(codec), kind)) for kind, codec, text in cases))
    assert [(row.text, row.reason, row.error_type) for row in rows] == [(text, None, None) for _, _, text in cases]


def test_a_byte_order_mark_belongs_to_utf_16_and_to_no_other_charset(spark: SparkSession) -> None:
    big = b"\xfe\xff" + "ñ".encode("utf-16-be")
    types = ["text/plain; charset=utf-16", "text/plain; charset=utf-16be", "text/plain"]
    rows = rows_of(
        spark, *(resource(attachment(c, t)) for c, t in zip([big, big, b"\xef\xbb\xbfa"], types, strict=True))
    )
    assert [row.text for row in rows] == ["ñ", "\ufeffñ", "\ufeffa"]


def test_bytes_that_the_charset_does_not_define_are_never_replaced(spark: SparkSession) -> None:
    cases = [
        ("aórtica".encode("latin-1"), "text/plain"),
        ("aórtica".encode(), "text/plain; charset=us-ascii"),
        (b"\x81", "text/plain; charset=windows-1252"),
        (b"a\x00b", "text/plain; charset=utf-16le"),
        (b"\xd8\x3da\x00", "text/plain; charset=utf-16be"),
        (b"\x00a\xd8\x3d", "text/plain; charset=utf-16"),
        (b"\xff\xfe\x00\xde", "text/plain; charset=utf-16"),
        (b"%PDF-1.7 \xe2\xe3\xcf\xd3", None),
    ]
    rows = rows_of(spark, *(resource(attachment(content, kind)) for content, kind in cases))
    assert {(row.doc_id, row.text, row.reason, row.error_type) for row in rows} == {
        ("d1", None, "invalid_encoding", "MalformedText")
    }


HTML = attachment(b"<p>fibrilaci&oacute;n</p>", "text/html; charset=utf-8")
URL = {"contentType": "text/plain", "url": "Binary/7"}


def test_of_several_formats_the_first_inline_plain_text_is_read(spark: SparkSession) -> None:
    cases = [
        ([HTML, attachment(b"plain")], "plain"),
        ([attachment(b"untyped", None), attachment(b"plain", "TEXT/PLAIN")], "plain"),
        ([HTML, attachment(b"untyped", None)], "untyped"),
        ([URL, attachment(b"first"), attachment(b"second")], "first"),
        ([attachment(b"")], ""),
    ]
    rows = rows_of(spark, *(resource(*attachments) for attachments, _ in cases))
    assert [(row.text, row.reason) for row in rows] == [(text, None) for _, text in cases]


def test_a_line_that_cannot_be_read_is_a_row_that_says_why(spark: SparkSession) -> None:
    good, other = resource(attachment(b"x")), resource(attachment(b"y"))
    latin_1 = resource(attachment(b"x"), description="aórtica").decode().encode("latin-1")
    cases: list[tuple[bytes | None, str | None, str, str | None]] = [
        (resource(HTML), "d1", "invalid_encoding", "UnsupportedContentType"),
        (resource(attachment(b"{}", "text/rtf"), URL), "d1", "invalid_encoding", "UnsupportedContentType"),
        (resource(URL), "d1", "empty_text", "AttachmentByUrl"),
        (resource(), "d1", "empty_text", "NoAttachment"),
        (resource(content=None), "d1", "empty_text", "NoAttachment"),
        (resource(content=[{}, None, {"attachment": None}]), "d1", "empty_text", "NoAttachment"),
        (resource(content={"attachment": {"data": "YQ=="}}), "d1", "empty_text", "NoAttachment"),
        (resource(attachment(b"x", "text/plain;charset=klingon")), "d1", "invalid_encoding", "UnsupportedCharset"),
        (resource({"contentType": "text/plain", "data": "*no*"}), "d1", "invalid_encoding", "MalformedBase64"),
        (resource(attachment(b"x"), id=None), None, "null_id", None),
        (b'{"resourceType": "Patient", "id": "p1"}', "p1", "empty_text", "NotADocumentReference"),
        (b'{"id": "x1"}', "x1", "empty_text", "NotADocumentReference"),
        (latin_1, "d1", "invalid_encoding", "MalformedUTF8"),
        *((line, None, "invalid_encoding", "MalformedJSON") for line in (good[:-5], b"null", b"", None, b"[]")),
        *(
            (good + more, None, "invalid_encoding", "MalformedJSON")
            for more in (b' {"id": "lost"}', b", " + other, b"x")
        ),
        (b"[" + good + b"]", None, "invalid_encoding", "MalformedJSON"),
    ]
    rows = rows_of(spark, *(line for line, *_ in cases))
    assert [(row.doc_id, row.reason, row.error_type) for row in rows] == [tuple(said) for _, *said in cases]
    assert {row.text for row in rows} == {None}


def test_a_carriage_return_or_a_byte_order_mark_around_the_line_does_no_harm(spark: SparkSession) -> None:
    rows = rows_of(spark, b"\xef\xbb\xbf" + resource(attachment(b"x")), resource(attachment(b"x")) + b"\r")
    assert [(row.doc_id, row.text, row.reason) for row in rows] == [("d1", "x", None)] * 2


def test_the_language_is_the_attachment_s_else_the_resource_s(spark: SparkSession) -> None:
    own, none = attachment(b"x", language="it"), attachment(b"x")
    rows = rows_of(spark, resource(own, language="en"), resource(none, language="en"), resource(none))
    assert [row.language for row in rows] == ["it", "en", None]


def test_base64_may_be_folded_and_a_note_may_be_of_twenty_megabytes(spark: SparkSession) -> None:
    folded = {"contentType": "text/plain", "data": base64.encodebytes(NOTE.encode() * 9).decode().replace("\n", "\r\n")}
    long = NOTE * (20_000_000 // len(NOTE.encode()))
    rows = rows_of(spark, resource(folded), resource(attachment(long.encode())))
    assert [row.text for row in rows] == [NOTE * 9, long]


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.text() | awkward_texts, st.sampled_from(["utf-8", "utf-16", "utf-16le", "utf-16be"])), min_size=10
    )
)
def test_any_text_survives_the_round_trip(spark: SparkSession, notes: list[tuple[str, str]]) -> None:
    lines = [resource(attachment(text.encode(codec), f"text/plain; charset={codec}")) for text, codec in notes]
    assert [(row.text, row.reason) for row in rows_of(spark, *lines)] == [(text, None) for text, _ in notes]


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.binary(), st.sampled_from(["us-ascii", "latin1", "iso-8859-15", "cp1252", "utf-16be"])),
        min_size=10,
    )
)
def test_any_bytes_are_read_as_python_reads_them_or_refused(
    spark: SparkSession, notes: list[tuple[bytes, str]]
) -> None:
    def read(content: bytes, codec: str) -> str | None:
        try:
            return content.decode(codec)
        except UnicodeDecodeError:
            return None

    lines = [resource(attachment(content, f"text/plain; charset={codec}")) for content, codec in notes]
    assert [row.text for row in rows_of(spark, *lines)] == [read(content, codec) for content, codec in notes]


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=3)), min_size=60))
def test_a_damaged_line_is_still_one_row_and_never_an_error(spark: SparkSession, cuts: list[tuple[int, bytes]]) -> None:
    line = resource(attachment(NOTE.encode()), language="es")
    damaged = [line[:at] + junk + line[at + len(junk) :] for at, junk in cuts]
    rows = rows_of(spark, *(text.replace(b"\n", b" ") for text in damaged))
    assert all((row.text is None) == (row.reason is not None) for row in rows)
