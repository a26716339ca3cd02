"""The Spark session of the jobs: what a plain `spark-submit` of them may open to the network, and a catalog that lasts.

Contract
- On a local master (`local[…]`, `local-cluster[…]`) nothing listens beyond loopback and there is no web UI, unless the
  user chose otherwise: a property or SPARK_LOCAL_IP that is set is left alone.
- A web UI asked for on a local master needs SPARK_LOCAL_IP: no property keeps it from listening on every address.
- On a cluster's master nothing of that is changed: its conf files and its operators decide.
- Spark's own catalog is in memory, and ends with the process. Where a database or a table is asked for, Hive's is used,
  kept where the user's conf says: nothing is put into the working folder. A catalog that was chosen is left alone.
- Ctrl-C while Spark starts ends the process at once, in silence.
- PySpark does not note where each column was made (half a second a run) unless the user wants it to.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from cardio_ner.errors import ConfigError

LOOPBACK = "127.0.0.1"
ADDRESSES = ("spark.driver.host", "spark.driver.bindAddress")
UI = "spark.ui.enabled"
LOCAL_IP = "SPARK_LOCAL_IP"
DEBUGGING = "spark.python.sql.dataFrameDebugging.enabled"
CATALOG = "spark.sql.catalogImplementation"
CHOSEN_CATALOGS = ("spark.sql.catalog.spark_catalog", "spark.sql.defaultCatalog")
CONNECTION = "spark.hadoop.javax.jdo.option.ConnectionURL"
METASTORES = ("spark.hadoop.javax.jdo.option.", "spark.hadoop.hive.metastore.", "spark.hive.metastore.")
"""Beginnings of properties that say where a catalog is kept, or who keeps it (AWS Glue's client, say)."""
HIVE_CLASSES = ("org.apache.spark.sql.hive.HiveSessionStateBuilder", "org.apache.hadoop.hive.conf.HiveConf")


@contextmanager
def _at_once_on_interrupt() -> Iterator[None]:
    """Within it Ctrl-C ends the process without a word: nothing has begun that the tracebacks of Python and Py4J could
    be about."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@_at_once_on_interrupt()
def session(app_name: str, *, database: str | None = None, table: str | None = None) -> SparkSession:
    """The job's session, on the master that was asked for. Raises ConfigError for a local UI open to the network, and
    for a database or table of a catalog that would not last."""
    # The JVM comes first: only it knows what spark-submit and its files have set.
    SparkContext._ensure_initialized()
    conf = SparkConf()
    jvm: Any = SparkContext._jvm
    has_hive = all(jvm.org.apache.spark.util.Utils.classIsLoadable(name) for name in HIVE_CLASSES)
    has_site = jvm.java.lang.Thread.currentThread().getContextClassLoader().getResource("hive-site.xml") is not None
    defaults = {} if conf.contains(DEBUGGING) else {DEBUGGING: "false"}
    defaults |= loopback_defaults(conf, os.environ)
    defaults |= catalog_defaults(conf, database, table, has_hive=has_hive, has_site=has_site)
    builder = SparkSession.builder.appName(app_name)
    for key, value in defaults.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def catalog_defaults(
    conf: SparkConf, database: str | None, table: str | None, *, has_hive: bool, has_site: bool
) -> dict[str, str]:
    """The properties to add so that the catalog outlives the process, where it is asked for."""
    if table is not None and conf.contains(f"spark.sql.catalog.{table.split('.')[0]}"):
        table = None  # it is in a catalog of its own
    asked = f"--database {database}" if database is not None else f"--table {table}"
    unasked = database is None and table is None
    if unasked or any(conf.contains(key) for key in CHOSEN_CATALOGS):
        return {}
    if conf.get(CATALOG, "hive") != "hive" or not has_hive:
        why = f"{CATALOG} is {conf.get(CATALOG)}" if conf.contains(CATALOG) else "this Spark has no Hive classes"
        raise ConfigError(
            f"{asked}: {why}, so the catalog ends with this process: expected {CATALOG}=hive and a Spark with Hive's "
            "classes (pip's pyspark and the usual distributions have them), or a catalog of yours (spark.sql.catalog.…)"
        )
    if not has_site and not any(key.startswith(METASTORES) for key, _ in conf.getAll()):
        raise ConfigError(
            f"{asked}: nothing says where the catalog is kept: expected hive-site.xml in Spark's conf folder, or, on "
            f"one machine, --conf '{CONNECTION}=jdbc:derby:;databaseName=/FOLDER/metastore_db;create=true'"
        )
    return {CATALOG: "hive"}


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
