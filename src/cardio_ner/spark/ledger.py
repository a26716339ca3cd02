"""The ledger: which files the tables hold, at which size and time. It decides what is left to do.

Contract: a file is done where a committed batch of the same stream (same input, checkpoints and settings) has it with
the size and time that it has now, and no other stream of the family has read it since. So a lost streaming checkpoint
costs nothing, a file overwritten in place is read again, a file that Spark's listing passes over is found, and who goes
back to an earlier checkpoint, or to settings of before, has the tables go back too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from cardio_ner.spark.hadoop import File, folders_in, literal, remove
from cardio_ner.spark.tables import is_batch, read_inputs, remove_staging

SINCE_THEN = (-1, -1)
"""Size and time of no file: of one that another stream of the family has read since."""
MAX_FILES = 20_000
"""Files of one batch, at most: the driver holds their paths, and Spark's plan does."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The files of one stream that are done."""

    seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Path → (n_bytes, modified_ms) when it was last read, or SINCE_THEN."""

    @classmethod
    def read(cls, spark: SparkSession, output: str, stream: str, family: str) -> Ledger:
        """What the tables hold of a stream, as others of its family left it."""
        if not folders_in(spark, f"{output}/inputs"):
            return cls()  # a first run: no need to ask Spark
        own = F.col("stream") == stream
        rows = read_inputs(spark, output).where(own | (F.col("family") == family)).withColumn("own", own)
        latest = F.max_by(F.struct("own", "n_bytes", "modified_ms"), "read_at").alias("file")
        files = rows.groupBy("path").agg(latest, F.max("own").alias("own")).where("own").select("path", "file.*")
        return cls(
            {row.path: (row.n_bytes, row.modified_ms) if row.own else SINCE_THEN for row in files.toLocalIterator()}
        )

    def left(self, files: Iterable[File]) -> list[File]:
        """The files that are not done, oldest first."""
        todo = (file for file in files if self.seen.get(file.path) != (file.n_bytes, file.modified_ms))
        return sorted(todo, key=lambda file: (file.modified_ms, file.path))

    def begin(self) -> None:
        """A batch begins."""

    def add(self, files: Iterable[File]) -> None:
        """Note committed files."""
        self.seen.update({file.path: (file.n_bytes, file.modified_ms) for file in files})


def detected_among_others(spark: SparkSession, output: str, languages: str) -> bool:
    """Has any run detected languages among others than these? (Of runs of earlier versions nobody knows.)"""
    return not read_inputs(spark, output).where(F.col("languages") != languages).isEmpty()


def in_batches(files: Sequence[File], batch_bytes: int) -> Iterator[list[File]]:
    """The files in order, in batches of at most `batch_bytes`, or one larger file, and of at most MAX_FILES."""
    batch: list[File] = []
    size = 0
    for file in files:
        if batch and (size + file.n_bytes > batch_bytes or len(batch) == MAX_FILES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.n_bytes
    if batch:
        yield batch


def sweep(spark: SparkSession, output: str) -> None:
    """Remove what runs that were killed left: staging, and partitions of batches that were never committed. Only for a
    run that holds the output's lock."""
    remove_staging(spark, output)
    committed = set(folders_in(spark, f"{output}/documents"))
    tables = [f"{output}/inputs"]
    for language in folders_in(spark, f"{output}/spans"):
        inner = f"{output}/spans/{language}"
        tables += [f"{inner}/{entity_type}" for entity_type in folders_in(spark, inner)]
    for table in tables:
        for batch in folders_in(spark, table):
            if is_batch(batch) and batch not in committed:  # what no run made, no run removes
                remove(spark, literal(f"{table}/{batch}"))
