"""`cardio_ner(text, language)` in `spark.sql()`: the job's UDF, for questions that need no run.

Contract
- `register` makes the function in this Spark session. Its answer is the struct ANNOTATION of schema.py; null for a null
  text.
- Bytes that are not UTF-8 never reach Python, whose error would print them: they come back `invalid_encoding`.
- Call it once per row: in a subquery of its own, whose column every field is taken from.

      SELECT doc_id, a.status, m.*
      FROM (SELECT doc_id, cardio_ner(text, language) AS a FROM notes) LATERAL VIEW OUTER inline(a.spans) m

  The model runs as often as the function is written: `cardio_ner(…).status, cardio_ner(…).spans` runs it twice. Spark
  does not merge the subquery into the outer query, as the UDF is not deterministic. A query that reads the same
  subquery twice (a CTE used twice) runs it twice: save its answer in a table first.
"""

from __future__ import annotations

from pyspark.sql import SparkSession

from cardio_ner.language import fold_language
from cardio_ner.spark.gate import NOT_BLANK
from cardio_ner.spark.schema import ANNOTATION
from cardio_ner.spark.settings import Settings, open_models
from cardio_ner.spark.udf import annotation_udf

NAME = "cardio_ner"
_UNGATED = "cardio_ner_ungated"


def register(spark: SparkSession, settings: Settings | None = None) -> None:
    """Make `cardio_ner(text, language)` in this session; `language` may be null, and counts for nothing where the
    settings have one for every text. Raises CheckpointError where a checkpoint of the settings is not sound."""
    settings = settings or Settings()
    spark.udf.register(_UNGATED, annotation_udf(settings, open_models(settings)))
    language = "language" if settings.language is None else f"'{fold_language(settings.language)}'"
    # The inner CASE keeps bad bytes from Python: of a CASE, Spark computes a Python function for every row.
    spark.sql(f"""
        CREATE OR REPLACE TEMPORARY FUNCTION {NAME}(text STRING, language STRING)
        RETURNS {ANNOTATION.simpleString()}
        RETURN CASE WHEN NOT (is_valid_utf8(text) AND is_valid_utf8(coalesce({language}, '')))
                    THEN {_rejected("invalid_encoding")}
                    WHEN NOT text RLIKE r'{NOT_BLANK}' THEN {_rejected("empty_text")}
                    ELSE {_UNGATED}(CASE WHEN is_valid_utf8(text) THEN text END,
                                    CASE WHEN is_valid_utf8({language}) THEN {language} END) END
    """)


def _rejected(reason: str) -> str:
    """The answer for a text that the gate stops, as SQL."""
    told = {"status": "'rejected'", "reason": f"'{reason}'"}
    fields = (
        f"'{field.name}', CAST({told.get(field.name, 'NULL')} AS {field.dataType.simpleString()})"
        for field in ANNOTATION.fields
    )
    return f"named_struct({', '.join(fields)})"
