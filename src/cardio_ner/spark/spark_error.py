"""What may be said of an error of Spark's: its name. Its message may quote data."""

from __future__ import annotations

from typing import TypeAlias

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

SparkError: TypeAlias = Py4JJavaError | PySparkException

DEAD_WORKER = "Python worker exited unexpectedly"
"""Spark's words where a worker was killed; what it finds then, an end of a stream, begins the chain."""
SPARK_ERRORS = (Py4JJavaError, PySparkException)
"""The same for `except`: PySpark makes some of Java's its own."""
LONGEST_CHAIN = 50
"""Java lets causes go round in circles."""


def name_of(error: SparkError) -> str:
    """Spark's condition, or the class of the exception that began it: `EOFException`, not its `SparkException`; of a
    worker that was killed `WorkerDied`."""
    if isinstance(error, Py4JJavaError):
        exception = error.java_exception
        for _ in range(LONGEST_CHAIN):
            if str(exception.getMessage()).startswith(DEAD_WORKER):
                return "WorkerDied"
            if (cause := exception.getCause()) is None:
                break
            exception = cause
        return str(exception.getClass().getSimpleName())
    return error.getCondition() or type(error).__name__
