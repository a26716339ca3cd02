"""The parent of the test session's Python workers: it has imported what tagging needs, so that none of them must.

Like pyspark.daemon, whose place it takes, it computes nothing: its children are forked from it.
"""

from pyspark.daemon import manager

import cardio_ner.spark.tagging  # noqa: F401

if __name__ == "__main__":
    manager()
