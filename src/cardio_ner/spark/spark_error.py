"""What may be said of an error of Spark's: its name. Its message may quote data."""

from __future__ import annotations

from typing import TypeAlias

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

SparkError: TypeAlias = Py4JJavaError | PySparkException


def name_of(error: SparkError) -> str:
    """Spark's condition, or the class of the exception that began it: `EOFException`, not its `SparkException`."""
    if isinstance(error, Py4JJavaError):
        exception = error.java_exception
        while (cause := exception.getCause()) is not None:
            exception = cause
        return str(exception.getClass().getSimpleName())
    return error.getCondition() or type(error).__name__
