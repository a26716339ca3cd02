"""Input files → rows (doc_id, text, language, kept columns, reason), each input row once.

Contract
- Formats: Parquet, JSON lines, CSV with a header, a folder of `.txt` files (brat folders are such, `.ann` is ignored).
- Of a text folder, `doc_id` is the path below the input without `.txt`, `language` the folder's name if it is the code
  of a checkpoint (`notes/es/07.txt` is `es/07` in Spanish).
- `reason` is set here for what must not reach Python: `null_id`, `invalid_encoding` (Arrow's own error would print the
  text), `empty_text`; `text` is null in those rows, `n_chars` and `text_sha256` are of the bytes that came.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from cardio_ner.errors import InputError
from cardio_ner.spark.hadoop import exists, files_below, literal, qualified
from cardio_ner.spark.settings import Settings

FORMATS = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".txt": "text",
}
COMPRESSED = (".gz", ".bz2", ".zst", ".snappy")


def read_rows(spark: SparkSession, input_path: str, settings: Settings) -> DataFrame:
    """The input as rows, ready for the UDF. Raises InputError for a missing path or column."""
    if not exists(spark, input_path):
        raise InputError(f"{input_path}: no such file or folder")
    chosen = settings.format if settings.format != "auto" else _format_of(spark, input_path)
    if chosen in ("text", "brat"):
        frame = _read_texts(spark, input_path, tuple(settings.checkpoints))
        settings = settings.model_copy(
            update={"id_column": "doc_id", "text_column": "text", "language_column": "language"}
        )
    else:
        frame = _read_table(spark, input_path, chosen)
    return _gate(_select(frame, settings, input_path))


def _read_table(spark: SparkSession, path: str, chosen: str) -> DataFrame:
    reader = spark.read.option("recursiveFileLookup", True)
    if chosen == "parquet":
        return spark.read.parquet(literal(path))
    if chosen == "jsonl":
        return reader.option("primitivesAsString", True).json(literal(path))
    return reader.option("multiLine", True).option("escape", '"').csv(literal(path), header=True)


def _read_texts(spark: SparkSession, path: str, languages: tuple[str, ...]) -> DataFrame:
    """One row per `.txt` file, its bytes as they are. Spark's file sources pass over empty files: they are added."""
    root = qualified(spark, path).rstrip("/")
    root = root.rsplit("/", 1)[0] if root.endswith(".txt") else root
    reader = spark.read.option("recursiveFileLookup", True).option("pathGlobFilter", "*.txt").format("binaryFile")
    found = reader.load(literal(path)).select("path", F.col("content").cast("string").alias("text"))
    empty = [(str(file.getPath()), "") for file in files_below(spark, path) if file.getLen() == 0]
    files = found.unionByName(spark.createDataFrame(empty, found.schema)) if empty else found
    below = F.regexp_replace(F.substr(F.col("path"), F.lit(len(root) + 2)), r"\.txt$", "")
    folder = F.element_at(F.split(F.col("path"), "/"), -2)
    return files.where(F.col("path").endswith(".txt")).select(
        "text", below.alias("doc_id"), F.when(folder.isin(*languages), folder).alias("language")
    )


def _select(frame: DataFrame, settings: Settings, input_path: str) -> DataFrame:
    """The columns of interest under their own names."""
    wanted = {"--id-column": settings.id_column, "--text-column": settings.text_column}
    for option, name in (wanted | {f"--keep {name}": name for name in settings.keep}).items():
        if name not in frame.columns:
            raise InputError(f"{input_path}: no column {name!r} ({option}): it has {', '.join(frame.columns)}")
    if settings.language is not None:
        language: Column = F.lit(settings.language)
    elif settings.language_column in frame.columns:
        language = F.col(f"`{settings.language_column}`").cast("string")
    else:
        language = F.lit(None).cast("string")
    return frame.select(
        F.col(f"`{settings.id_column}`").cast("string").alias("doc_id"),
        F.col(f"`{settings.text_column}`").cast("string").alias("text"),
        language.alias("language"),
        *(F.col(f"`{name}`") for name in settings.keep),
    )


def _gate(rows: DataFrame) -> DataFrame:
    """Add `reason`, `n_chars`, `text_sha256`; null the text of rows that have a reason."""
    text = F.col("text")
    reason = (
        F.when(F.col("doc_id").isNull(), "null_id")
        .when(~F.is_valid_utf8(text), "invalid_encoding")
        .when(text.isNull() | ~text.rlike(r"[^\s\p{Z}\x{FEFF}\x{200B}]"), "empty_text")
    )
    return rows.select(
        *(name for name in rows.columns if name != "text"),
        reason.alias("reason"),
        F.char_length(text).alias("n_chars"),
        F.sha2(text.cast("binary"), 256).alias("text_sha256"),
        F.when(reason.isNull(), text).alias("text"),
    )


def _format_of(spark: SparkSession, path: str) -> str:
    """The format that the first known file name tells."""
    for file in files_below(spark, path):
        stem = str(file.getPath().getName()).lower()
        for suffix in COMPRESSED:
            stem = stem.removesuffix(suffix)
        for suffix, chosen in FORMATS.items():
            if stem.endswith(suffix):
                return chosen
    raise InputError(f"{path}: no file whose name ends in {', '.join(FORMATS)}: name the kind with --format")
