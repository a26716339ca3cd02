"""The gate: rows as they came → rows of which only sound text goes on to Python.

Contract
- `language` is the code given, folded as `language.fold_language` does (`und` for what is no code), or null.
- `doc_id`, `language` and kept columns are valid UTF-8 from here on (a table with other bytes is unreadable to others).
- `reason` says why a row's text stops here: `null_id`, `invalid_encoding` (Arrow's own error would print the text),
  `empty_text`; its `text` is null then. `n_chars` and `text_sha256` are of the text that came.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, DecimalType, DoubleType, FloatType, StringType

from cardio_ner.document import UNDETERMINED
from cardio_ner.language import CODE, THREE_LETTERS
from cardio_ner.spark.formats import ERROR_TYPE, FILE, MODIFIED, REASON, decoded, whole_number
from cardio_ner.spark.omop import omop_language
from cardio_ner.spark.schema import quoted
from cardio_ner.spark.settings import Settings

NOT_BLANK = r"[^\s\p{Z}\x{FEFF}\x{200B}]"
"""What a text must hold one of, as Java's regular expressions say it."""
_AROUND = r"^[\s\p{Z}\p{Cc}]+|[\s\p{Z}\p{Cc}]+$"


def gate(raw: DataFrame, settings: Settings) -> DataFrame:
    """Rows of any source → doc_id, language, reason, error_type, n_chars, text_sha256, source_file, source_modified_at,
    kept columns, text."""
    text = _as_string(raw, settings.text_column, settings.encoding)
    doc_id = _identifier(raw, settings)
    named = raw.select(
        F.make_valid_utf8(doc_id).alias("doc_id"),
        _language(raw, settings).alias("language"),
        _given_reason(raw, doc_id, text).alias("reason"),
        _column_or_null(raw, ERROR_TYPE).alias("error_type"),
        F.char_length(text).alias("n_chars"),
        F.sha2(text.cast("binary"), 256).alias("text_sha256"),
        F.col(FILE).alias("source_file"),
        F.col(MODIFIED).alias("source_modified_at"),
        *(_sound(raw, name) for name in settings.keep),
        text.alias("text"),
    )
    return named.withColumn("text", F.when(F.col("reason").isNull(), F.col("text")))


def _as_string(raw: DataFrame, name: str, encoding: str | None) -> Column:
    """A column as text. (What formats decode themselves is text by now; Parquet and tables may have bytes.)"""
    column = F.col(quoted(name))
    is_bytes = isinstance(raw.schema[name].dataType, BinaryType)
    return decoded(column, encoding) if is_bytes else column.cast("string")


def _identifier(raw: DataFrame, settings: Settings) -> Column:
    """The identifiers as text. Whole numbers are told as integers, of floating ones (`whole_number`) and of decimals
    (what JDBC makes of Oracle's NUMBER): 123, not 123.0000000000."""
    text = _as_string(raw, settings.id_column, settings.encoding)
    its_type = raw.schema[settings.id_column].dataType
    if isinstance(its_type, DecimalType):
        return F.regexp_replace(text, r"\.0+$", "")
    if not isinstance(its_type, FloatType | DoubleType):
        return text
    number = F.col(quoted(settings.id_column)).cast("double")
    return F.coalesce(whole_number(number), F.when(~F.isnan(number), text))


def _given_reason(raw: DataFrame, doc_id: Column, text: Column) -> Column:
    """Why a row is rejected, or null. A reason that the format gave comes first."""
    return F.coalesce(
        _column_or_null(raw, REASON),
        F.when(doc_id.isNull(), "null_id")
        .when(~F.is_valid_utf8(text) | ~F.is_valid_utf8(doc_id), "invalid_encoding")
        .when(text.isNull() | ~text.rlike(NOT_BLANK), "empty_text"),
    )


def _language(raw: DataFrame, settings: Settings) -> Column:
    if settings.language is not None:
        return fold(F.lit(settings.language))
    name = settings.language_column
    if name is None or name not in raw.columns:
        return F.lit(None).cast("string")
    given = F.col(quoted(name))
    if settings.preset == "omop-note":
        return omop_language(given)
    return fold(F.make_valid_utf8(given.cast("string")))


def fold(code: Column) -> Column:
    """`fold_language` in the JVM: `es-ES` and `spa` are `es`; blank is null; what is no code is `und`."""
    primary = F.regexp_extract(F.lower(F.regexp_replace(code, _AROUND, "")), r"^[^-_]*", 0)
    three = F.create_map(*(F.lit(part) for pair in THREE_LETTERS.items() for part in pair))
    told = F.when(primary.rlike(rf"^{CODE}\z"), F.coalesce(three[primary], primary))
    return told.when(primary != "", UNDETERMINED)


def _column_or_null(raw: DataFrame, name: str) -> Column:
    return F.col(name) if name in raw.columns else F.lit(None).cast("string")


def _sound(raw: DataFrame, name: str) -> Column:
    column = F.col(quoted(name))
    return F.make_valid_utf8(column).alias(name) if raw.schema[name].dataType == StringType() else column
