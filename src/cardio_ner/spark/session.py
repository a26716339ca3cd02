"""The Spark session of the jobs: what a plain `spark-submit` of them may open to the network.

Contract
- On a local master (`local[…]`, `local-cluster[…]`) nothing listens beyond loopback and there is no web UI, unless the
  user chose otherwise: a property or SPARK_LOCAL_IP that is set is left alone.
- A web UI asked for on a local master needs SPARK_LOCAL_IP: no property keeps it from listening on every address.
- On a cluster's master nothing is changed: its conf files and its operators decide.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from cardio_ner.errors import ConfigError

LOOPBACK = "127.0.0.1"
ADDRESSES = ("spark.driver.host", "spark.driver.bindAddress")
UI = "spark.ui.enabled"
LOCAL_IP = "SPARK_LOCAL_IP"


def session(app_name: str) -> SparkSession:
    """The job's session, on the master that was asked for. Raises ConfigError for a local UI open to the network."""
    # The JVM comes first: only it knows what spark-submit and its files have set.
    SparkContext._ensure_initialized()
    builder = SparkSession.builder.appName(app_name)
    for key, value in loopback_defaults(SparkConf(), os.environ).items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def loopback_defaults(conf: SparkConf, environment: Mapping[str, str]) -> dict[str, str]:
    """The properties to add to those of a job on a local master; none for a cluster's."""
    if not str(conf.get("spark.master", "")).startswith("local"):
        return {}
    if LOCAL_IP not in environment and str(conf.get(UI, "false")).lower() == "true":
        raise ConfigError(
            f"{UI} is true and {LOCAL_IP} is not set: the web UI would listen on every address of this machine; "
            f"expected {LOCAL_IP}={LOOPBACK} in the environment (or another address, to choose it)"
        )
    defaults = {} if conf.contains(UI) else {UI: "false"}
    # An address that the user chose stands for both: bound to loopback, another advertised one could not be reached.
    if LOCAL_IP not in environment and not any(conf.contains(key) for key in ADDRESSES):
        defaults |= dict.fromkeys(ADDRESSES, LOOPBACK)
    return defaults
