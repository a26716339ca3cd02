"""When Spark stops a batch: which file is to blame, and what may be said of the error.

Contract: an error is named by its class or Spark's condition. Its message is dropped, since it may quote data; the
library's own errors, which never do, keep theirs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyspark.errors import AnalysisException

from cardio_ner.errors import RunError
from cardio_ner.spark.counts import Counts
from cardio_ner.spark.hadoop import File
from cardio_ner.spark.source import FileSource, Source
from cardio_ner.spark.spark_error import SPARK_ERRORS, SparkError, name_of

_OWN_ERROR = re.compile(r"^cardio_ner\.errors\.((?:CheckpointError|ConfigError|DeviceError): .+)$", re.MULTILINE)
_NO_FILES_FAULT = re.compile(
    r"Access(Control|Denied)|Auth|Token|Connect|Socket|Timeout|UnknownHost|NoRoute|Remote|Standby|SSL|S3|Sdk|Aws|Abfs|"
    r"BlockMissing"
)
"""What names of errors have in them that speak of credentials, networks and stores."""
FILE_IS_GONE = "PATH_NOT_FOUND"


class UnequalReaders(Exception):  # noqa: N818  not a failure: the batch goes on without these files
    """Files in which the job's reader and the independent one see different numbers of rows."""

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__(f"{len(paths)} files")
        self.paths = list(paths)


def raise_if_hopeless(error: SparkError) -> None:
    """Raises where no file is to blame and another attempt would fail alike: a query that cannot be analysed (other
    than for a file that is gone), or an error of this library's own in a worker."""
    if isinstance(error, AnalysisException) and error.getCondition() != FILE_IS_GONE:
        raise error
    if own := _OWN_ERROR.search(str(error)):
        raise RunError(own[1]) from None


def is_no_files_fault(error_type: str) -> bool:
    """Does the error's name speak of credentials, the network or the store? The file may be sound then."""
    return bool(_NO_FILES_FAULT.search(error_type))


def find_unreadable(source: Source, files: Sequence[File]) -> Counts:
    """The files that Spark cannot read to their end, with the error's name: all are tried together, then halves."""
    if not isinstance(source, FileSource) or not files:
        return {}
    try:
        counts = source.counts(files)  # first: what it sets aside, Spark's reader might quote in its errors
        if readable := [file for file in files if isinstance(counts[file.path], int)]:
            source.rows(readable).write.format("noop").mode("overwrite").save()
    except SPARK_ERRORS as error:
        raise_if_hopeless(error)
        if len(files) == 1:
            return {files[0].path: name_of(error)}
        half = len(files) // 2
        return find_unreadable(source, files[:half]) | find_unreadable(source, files[half:])
    return {}


def unequal_files(source: Source, files: Sequence[File], counts: Counts) -> list[str]:
    """The files of which the job's reader does not give as many rows as were counted."""
    if not isinstance(source, FileSource) or not files:
        return []
    rows = source.rows(files).groupBy("source_file").count().collect()
    read = {row["source_file"]: row["count"] for row in rows}
    return [file.path for file in files if read.get(file.path, 0) != counts[file.path]]
