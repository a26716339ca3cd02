"""Where a batch goes: staged once, written aside, put in place; and how the tables are read back.

    output/_staging/<batch_id>/…                                all of a batch until it is moved into place
    output/spans/language=es/entity_type=DISEASE/batch_id=b…    one row per mention
    output/inputs/batch_id=b…                                   the ledger: one row per input file
    output/documents/batch_id=b…                                one row per input row: the commit

Contract
- What stands under the tables' folders is whole: files are written under `_staging` (all tables at once) and renamed,
  folder by folder: spans, then the ledger, then documents.
- A batch is committed when its documents are in place, by one rename. Before that, `spans_current` does not show it,
  and the next attempt removes what an earlier one left in place: partitions of spans that it does not write again, too.
- Readers use the declared schema, so a batch without any mention leaves readable, empty tables.
"""

from __future__ import annotations

import re

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType

from cardio_ner.errors import InputError
from cardio_ner.spark.hadoop import (
    exists,
    folders_in,
    lacks_letters,
    literal,
    move,
    names_in,
    qualified,
    remove,
    remove_if_empty,
)
from cardio_ner.spark.schema import DOCUMENTS, INPUTS, SPANS, quoted
from cardio_ner.spark.spark_error import SPARK_ERRORS, name_of

OWN_FOLDERS = ("documents", "inputs", "spans", "_staging", "_state")
"""What runs write to and clean up below their output."""
_BATCH, _LANGUAGE = re.compile(r"batch_id=[a-z][0-9a-f]+-\d+"), re.compile(r"language=.*")
_NAMES_IN = {"documents": _BATCH, "inputs": _BATCH, "spans": _LANGUAGE}


def output_folder(spark: SparkSession, output: str) -> str:
    """The qualified path of an output. Raises InputError where no file system can have it."""
    if ":" in re.sub(r"^[\w.+-]+:(//[^/]*)?(?=/)", "", output):  # but for the scheme's, and a port's
        raise InputError(f"{output}: has a colon, which Hadoop has no names with: expected a folder without")
    if (encoding := lacks_letters(spark)) and (not output.isascii() or set(output) & set("?\ufffd")):
        raise InputError(
            f"{output}: has letters that Java's locale ({encoding}) lacks: another folder would be written; expected a "
            "locale of UTF-8: set LC_ALL=C.UTF-8 and run again"
        )
    try:
        return qualified(spark, output)
    except SPARK_ERRORS as error:
        raise unusable(output, name_of(error)) from None


def read_every_file(spark: SparkSession) -> None:
    """A file that is broken or gone is an error of this session's, whatever the site's defaults: its rows would be
    missing without a word."""
    spark.conf.set("spark.sql.files.ignoreCorruptFiles", False)
    spark.conf.set("spark.sql.files.ignoreMissingFiles", False)


def unusable(output: str, why: str) -> InputError:
    """What to raise of an output that cannot be had."""
    return InputError(f"{output}: {why}: expected a folder that this user may write to, and room on its disk")


def strangers(spark: SparkSession, output: str) -> list[str]:
    """What stands in the tables' folders and is no part of a table: `inputs/ward1`, say, of somebody's project."""
    found = ((table, name) for table in _NAMES_IN for name in names_in(spark, f"{output}/{table}"))
    return [f"{table}/{name}" for table, name in found if not _NAMES_IN[table].fullmatch(name)]


def is_batch(folder: str) -> bool:
    """Is it the name of a batch's partition?"""
    return bool(_BATCH.fullmatch(folder))


def stage(annotated: DataFrame, output: str, batch_id: str) -> DataFrame:
    """Write annotated rows once and return them as read back: nothing downstream runs the model again."""
    path = f"{output}/_staging/{batch_id}/rows"
    annotated.write.mode("overwrite").parquet(path)
    return annotated.sparkSession.read.schema(annotated.schema).parquet(literal(path))


def spans_of(staged: DataFrame) -> DataFrame:
    """The batch's rows of SPANS, without batch_id."""
    annotated = staged.where("status = 'annotated'")
    spans = annotated.selectExpr("doc_id", "text_sha256", "model_id", "language", "inline(spans)")
    return spans.selectExpr(*SPANS.names[:-1])


def ledger_of(rows: list[tuple[object, ...]], spark: SparkSession) -> DataFrame:
    """The batch's part of the ledger; `rows` are INPUTS without batch_id."""
    return spark.createDataFrame(rows, StructType(INPUTS.fields[:-1])).coalesce(1)


def documents_of(staged: DataFrame, *, version: str, kept: list[StructField]) -> DataFrame:
    """One row of DOCUMENTS per input row, with the columns that the user keeps, without batch_id."""
    columns = {
        "n_spans": F.expr("IF(status = 'annotated', size(spans), NULL)"),
        "annotator_version": F.lit(version),
        "annotated_at": F.current_timestamp(),
    }
    names = documents_schema(kept).names[:-1]
    return staged.withColumns(columns).selectExpr(*map(quoted, names)).hint("rebalance")


def write_spans(spans: DataFrame, output: str, batch_id: str) -> None:
    """Write a batch's rows of SPANS, without batch_id, aside."""
    frame = spans.hint("rebalance", "language", "entity_type")
    frame.write.mode("overwrite").partitionBy("language", "entity_type").parquet(_aside("spans", output, batch_id))


def write_rows(frame: DataFrame, table: str, output: str, batch_id: str) -> None:
    """Write a batch's rows of another table, without batch_id, aside."""
    frame.write.mode("overwrite").parquet(_aside(table, output, batch_id))


def put_spans(spark: SparkSession, output: str, batch_id: str) -> None:
    """Put what was written aside in place, partition by partition, and remove an earlier attempt's first."""
    aside = _aside("spans", output, batch_id)
    remove_spans(spark, output, batch_id)
    for language in folders_in(spark, aside):
        for entity_type in folders_in(spark, f"{aside}/{language}"):
            inner = f"{language}/{entity_type}"
            move(spark, f"{aside}/{inner}", f"{output}/spans/{inner}/batch_id={batch_id}")


def put_rows(spark: SparkSession, table: str, output: str, batch_id: str) -> None:
    """Put what was written aside in place: one rename over what an attempt left. Of documents this commits."""
    remove(spark, f"{literal(output)}/{table}/batch_id={batch_id}")
    move(spark, _aside(table, output, batch_id), f"{output}/{table}/batch_id={batch_id}")


def has_documents(spark: SparkSession, output: str) -> bool:
    """Has any batch been committed?"""
    return bool(folders_in(spark, f"{output}/documents"))


def is_committed(spark: SparkSession, output: str, batch_id: str) -> bool:
    """Are the batch's documents in place?"""
    return exists(spark, f"{output}/documents/batch_id={batch_id}")


def remove_spans(spark: SparkSession, output: str, batch_id: str) -> None:
    """Remove whatever partitions of spans a batch has."""
    remove(spark, f"{literal(output)}/spans/language=*/entity_type=*/batch_id={batch_id}")


def remove_staging(spark: SparkSession, output: str, batch_id: str = "*") -> None:
    """Remove a batch's staging, or all; the folder itself goes with the last one."""
    remove(spark, f"{literal(output)}/_staging/{batch_id}")
    remove_if_empty(spark, f"{output}/_staging")


def documents_schema(kept: list[StructField]) -> StructType:
    """The documents table's schema with the columns that the user keeps, before the partition column."""
    return StructType([*DOCUMENTS.fields[:-1], *kept, DOCUMENTS.fields[-1]])


def kept_columns(spark: SparkSession, output: str) -> list[StructField]:
    """The columns of the documents table that runs so far have kept."""
    batches = folders_in(spark, f"{output}/documents")
    if not batches:
        return []
    files = spark.read.option("mergeSchema", True).parquet(literal(f"{output}/documents"))
    return [field for field in files.schema.fields if field.name not in DOCUMENTS.names]


def read_documents(spark: SparkSession, output: str, *, with_kept: bool = True) -> DataFrame:
    """The documents table; empty where there is none yet. Every file is asked for its kept columns, unless told not."""
    kept = kept_columns(spark, output) if with_kept else []
    return _read(spark, f"{output}/documents", documents_schema(kept))


def read_spans(spark: SparkSession, output: str) -> DataFrame:
    """The spans table; empty where there is none yet."""
    return _read(spark, f"{output}/spans", SPANS)


def read_inputs(spark: SparkSession, output: str) -> DataFrame:
    """The ledger; empty where there is none yet."""
    return _read(spark, f"{output}/inputs", INPUTS)


def _read(spark: SparkSession, path: str, schema: StructType) -> DataFrame:
    if not exists(spark, path):
        return spark.createDataFrame([], schema)
    return spark.read.schema(schema).parquet(literal(path))


def _aside(table: str, output: str, batch_id: str) -> str:
    return f"{output}/_staging/{batch_id}/{table}"
