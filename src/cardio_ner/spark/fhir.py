"""FHIR bulk export: lines of NDJSON, each a DocumentReference (R4) → doc_id, text, language, reason, error_type.

Contract
- One row per line, whatever the line. `reason` and `error_type` are null where the text could be read (a blank one too:
  the gate names it); else `text` is null. Nothing here raises, so no error can quote a record.
- `text` is the attachment's inline bytes, decoded and otherwise untouched: no line end translated, no mark dropped, but
  for the byte order mark of `charset=utf-16`, which belongs to that charset.
- `content` repeats one document in several formats: the first inline text/plain is read, else the first without a type
  (RFC 2045: then it is text/plain). HTML, XHTML, RTF, PDF and CDA are not: their offsets would count markup, and an
  `&oacute;` inside a word hides it. Convert them before, so that somebody holds the text that offsets refer to.
- Charsets: UTF-8 (also where none is named), US-ASCII, ISO-8859-1 and -15, Windows-1252, UTF-16 with either byte order.
  Bytes that are undefined there are an error, never replaced. Spark's `decode` knows fewer charsets and raises on bad
  bytes unless settings of the whole session say otherwise: it is only given bytes that it cannot refuse.
- `language` is that of the attachment, else of the resource.

reason            error_type
invalid_encoding  MalformedUTF8 (the line), MalformedJSON, MalformedBase64, UnsupportedCharset, MalformedText,
                  UnsupportedContentType: there are bytes, and they cannot be read as text
empty_text        NotADocumentReference, NoAttachment, AttachmentByUrl (nothing is fetched): no bytes of a document here
null_id           (none)
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from cardio_ner.errors import InputError
from cardio_ner.spark.formats import read_lines
from cardio_ner.spark.hadoop import File
from cardio_ner.spark.schema import quoted
from cardio_ner.spark.spark_error import SPARK_ERRORS

_RESOURCES = """array<struct<resourceType: string, id: string, language: string,
    content: array<struct<attachment: struct<contentType: string, language: string, data: string, url: string>>>>>"""
_SINGLE_BYTE = {"us-ascii": "ascii", "iso-8859-1": "latin-1", "iso-8859-15": "iso8859-15", "windows-1252": "cp1252"}
"""Charset → Python's name of it."""
_ALIASES = {
    "utf8": "utf-8", "ascii": "us-ascii", "latin1": "iso-8859-1", "latin-1": "iso-8859-1", "iso8859-1": "iso-8859-1",
    "iso_8859-1": "iso-8859-1", "latin9": "iso-8859-15", "iso8859-15": "iso-8859-15", "cp1252": "windows-1252",
}  # fmt: skip
_LOOKED_AT = 1000
"""Lines that are asked for their kind of resource."""
_HALF_CHARACTER = r"\bD[89AB].. (?!D[C-F])|(?<!\bD[89AB].. )\bD[C-F]"
"""In UTF-16 code units written in hexadecimal, each followed by a space: one surrogate without the other."""


def check_resources(spark: SparkSession, files: Sequence[File], where: str) -> None:
    """Raises InputError where all that is seen of the files is Bundles, or no resource a line: an export of other form
    would be rejected line by line."""
    try:
        some = read_lines(spark, files).limit(_LOOKED_AT)
        kinds = some.select(F.get_json_object("value", "$.resourceType").alias("kind")).distinct().collect()
    except SPARK_ERRORS:  # a file that cannot be read: its batch will quarantine it
        return
    if kinds and {row.kind for row in kinds} <= {None, "Bundle"}:
        raise InputError(
            f"{where}: none of its first lines is a resource: expected NDJSON, one DocumentReference a line; "
            "jq -c '.entry[].resource' makes lines of a Bundle, jq -c . one line of a resource written over several"
        )


def document_references(lines: DataFrame) -> DataFrame:
    """Lines in the column `value` (any bytes) → doc_id, text, language, reason, error_type, and the other columns."""
    carried = [quoted(name) for name in lines.columns if name != "value"]
    resources = lines.select(*carried, F.is_valid_utf8("value").alias("_is_utf8"), _parsed("value").alias("_resources"))
    resource = F.when(F.size("_resources") == 1, F.get("_resources", F.lit(0)))
    chosen = resources.select(*carried, "_is_utf8", resource.alias("_resource")).select(
        *carried, "_is_utf8", "_resource", _attachment("_resource.content.attachment").alias("_attachment")
    )
    content = F.try_to_binary(F.col("_attachment.data"), F.lit("base64"))
    opened = chosen.select("*", content.alias("_content"), _charset("_attachment.contentType").alias("_charset"))
    decoded = opened.select("*", _decoded(F.col("_content"), F.col("_charset")).alias("_text"))
    judged = decoded.select("*", _problem().alias("_problem"))
    return judged.select(
        *carried,
        F.col("_resource.id").alias("doc_id"),
        F.when(F.col("_problem").isNull(), F.col("_text")).alias("text"),
        F.coalesce("_attachment.language", "_resource.language").alias("language"),
        F.col("_problem.reason").alias("reason"),
        F.col("_problem.error_type").alias("error_type"),
    )


def _parsed(line: str) -> Column:
    """The resources on the line. Parsed as an array, so that whatever follows the first one is seen."""
    legible = F.make_valid_utf8(line)
    legible = F.when(legible.startswith("\ufeff"), F.substring(legible, 2, 2**31 - 1)).otherwise(legible)
    return F.from_json(F.concat(F.lit("["), legible, F.lit("]")), _RESOURCES, {"maxStringLen": str(2**31 - 1)})


def _attachment(attachments: str) -> Column:
    """The attachment to read: inline text/plain, else inline and without a type; else null."""
    inline = F.filter(attachments, lambda one: one["data"].isNotNull())
    plain = F.filter(inline, lambda one: _mime_type(one["contentType"]) == "text/plain")
    untyped = F.filter(inline, lambda one: _mime_type(one["contentType"]) == "")
    return F.coalesce(F.get(plain, F.lit(0)), F.get(untyped, F.lit(0)))


def _mime_type(content_type: Column) -> Column:
    """`Text/Plain; charset=x` is `text/plain`; empty where there is none."""
    return F.lower(F.btrim(F.substring_index(F.coalesce(content_type, F.lit("")), ";", 1)))


def _charset(content_type: str) -> Column:
    """The canonical name of the charset parameter; utf-8 without one."""
    found = F.lower(
        F.regexp_extract(F.coalesce(content_type, F.lit("")), r"(?i);\s*charset\s*=\s*[\"']?([^\s;\"']+)", 1)
    )
    aliases = F.create_map(*(F.lit(name) for pair in _ALIASES.items() for name in pair))
    return F.coalesce(F.nullif(F.coalesce(aliases[found], found), F.lit("")), F.lit("utf-8"))


def _decoded(content: Column, charset: Column) -> Column:
    """The bytes as a string; null for another charset and for bytes that it does not define."""
    utf8 = content.cast("string")
    text = F.when(charset == "utf-8", F.when(F.is_valid_utf8(utf8), utf8))
    for name, codec in _SINGLE_BYTE.items():
        text = text.when(charset == name, _from_single_bytes(content, codec))
    mark = F.hex(F.substring(content, 1, 2))
    rest = F.substring(content, 3, 2**31 - 1)
    return (
        text.when((charset == "utf-16le"), _from_utf16(content, little_endian=True))
        .when((charset == "utf-16") & (mark == "FFFE"), _from_utf16(rest, little_endian=True))
        .when((charset == "utf-16") & (mark == "FEFF"), _from_utf16(rest, little_endian=False))
        .when(charset.isin("utf-16", "utf-16be"), _from_utf16(content, little_endian=False))
    )


def _from_single_bytes(content: Column, codec: str) -> Column:
    """Each byte read as the Latin-1 character of its number, then as the codec's; null if one is undefined there."""
    characters = [bytes([number]).decode(codec, errors="ignore") for number in range(256)]
    other = {
        chr(number): character for number, character in enumerate(characters) if character not in ("", chr(number))
    }
    undefined = "".join(chr(number) for number, character in enumerate(characters) if not character)
    text = F.decode(content, "iso-8859-1")
    sound = F.when(~text.rlike(f"[{undefined}]"), text) if undefined else text
    return F.translate(sound, "".join(other), "".join(other.values())) if other else sound


def _from_utf16(content: Column, *, little_endian: bool) -> Column:
    """UTF-16 without a byte order mark; null for half a character."""
    units = F.regexp_replace(F.hex(content), "(..)(..)", "$2$1 " if little_endian else "$1$2 ")
    sound = (F.length(content) % 2 == 0) & ~units.rlike(_HALF_CHARACTER)
    return F.decode(F.when(sound, content), "utf-16le" if little_endian else "utf-16be")


def _problem() -> Column:
    """(reason, error_type) of a line that cannot be read, or null."""
    attachments = F.col("_resource.content.attachment")
    has_data = F.exists(attachments, lambda one: one["data"].isNotNull())
    has_url = F.exists(attachments, lambda one: one["url"].isNotNull())
    is_document = F.coalesce(F.col("_resource.resourceType") == "DocumentReference", F.lit(False))
    known = F.col("_charset").isin("utf-8", "utf-16", "utf-16le", "utf-16be", *_SINGLE_BYTE)
    missing = F.col("_attachment").isNull()
    return (
        F.when(~F.col("_is_utf8"), _why("invalid_encoding", "MalformedUTF8"))
        .when(F.col("_resource").isNull(), _why("invalid_encoding", "MalformedJSON"))
        .when(~is_document, _why("empty_text", "NotADocumentReference"))
        .when(F.col("_resource.id").isNull(), _why("null_id", None))
        .when(missing & has_data, _why("invalid_encoding", "UnsupportedContentType"))
        .when(missing & has_url, _why("empty_text", "AttachmentByUrl"))
        .when(missing, _why("empty_text", "NoAttachment"))
        .when(F.col("_content").isNull(), _why("invalid_encoding", "MalformedBase64"))
        .when(~known, _why("invalid_encoding", "UnsupportedCharset"))
        .when(F.col("_text").isNull(), _why("invalid_encoding", "MalformedText"))
    )


def _why(reason: str, error_type: str | None) -> Column:
    return F.struct(F.lit(reason).alias("reason"), F.lit(error_type).cast("string").alias("error_type"))
