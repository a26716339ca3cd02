"""Independent Spark jobs at once: each spends much of its time planning, while cores idle.

Contract: the jobs belong to the caller's job group and session. The first that raises is raised, after all have ended.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pyspark import inheritable_thread_target
from pyspark.sql import SparkSession

T = TypeVar("T")


def at_once(spark: SparkSession, *jobs: Callable[[], T]) -> list[T]:
    """What the jobs return, in their order."""
    with ThreadPoolExecutor(len(jobs)) as threads:
        futures = [threads.submit(inheritable_thread_target(spark)(job)) for job in jobs]
    return [future.result() for future in futures]
