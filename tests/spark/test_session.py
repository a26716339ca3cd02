"""A plain spark-submit on one machine opens nothing to the network."""

from __future__ import annotations

import signal

import pytest
from pyspark import SparkConf, SparkContext

from cardio_ner.errors import ConfigError
from cardio_ner.spark.session import CATALOG, CONNECTION, catalog_defaults, loopback_defaults, session

BOUND = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
NO_UI = {"spark.ui.enabled": "false"}
HERE = {"SPARK_LOCAL_IP": "127.0.0.1"}


def conf_of(properties: dict[str, str]) -> SparkConf:
    return SparkConf(loadDefaults=False).setAll(list(properties.items()))


@pytest.mark.parametrize(
    ("properties", "environment", "added"),
    [
        ({"spark.master": "local[2]"}, {}, NO_UI | BOUND),
        ({"spark.master": "local[*]"}, HERE, NO_UI),
        ({"spark.master": "local-cluster[2,1,1024]"}, {}, NO_UI | BOUND),
        ({"spark.master": "local", "spark.driver.host": "10.0.0.5"}, {}, NO_UI),
        ({"spark.master": "local", "spark.driver.bindAddress": "0.0.0.0"}, {}, NO_UI),
        ({"spark.master": "local", "spark.ui.enabled": "false"}, {}, BOUND),
        ({"spark.master": "local", "spark.ui.enabled": "true"}, HERE, {}),
        ({"spark.master": "spark://here:7077"}, {}, {}),
        ({"spark.master": "yarn", "spark.ui.enabled": "true"}, {}, {}),
        ({"spark.master": "k8s://https://there"}, {}, {}),
    ],
)
def test_a_local_master_gets_what_the_user_left_open_and_a_cluster_nothing(
    properties: dict[str, str], environment: dict[str, str], added: dict[str, str]
) -> None:
    assert loopback_defaults(conf_of(properties), environment) == added


def test_a_local_ui_that_all_the_network_could_read_is_refused() -> None:
    asked = conf_of({"spark.master": "local[2]", "spark.ui.enabled": "true"})
    with pytest.raises(ConfigError, match=r"listen on every address.*SPARK_LOCAL_IP=127\.0\.0\.1"):
        loopback_defaults(asked, {})


KEPT = {CONNECTION: "jdbc:derby:;databaseName=/srv/metastore_db;create=true"}
HIVE = {CATALOG: "hive"}


@pytest.mark.parametrize(
    ("properties", "database", "table", "has_site", "added"),
    [
        ({}, None, None, False, {}),
        (KEPT, None, None, True, {}),
        (KEPT, "cardiology", None, False, HIVE),
        (KEPT, None, "ward.notes", False, HIVE),
        ({"spark.hadoop.hive.metastore.uris": "thrift://there:9083"}, "cardiology", None, False, HIVE),
        ({}, "cardiology", None, True, HIVE),
        (HIVE, "cardiology", None, True, HIVE),
        (HIVE | {"spark.hadoop.hive.metastore.client.factory.class": "Glue"}, "cardiology", None, False, HIVE),
        ({"spark.sql.catalog.lake": "some.Catalog"}, None, "lake.ward.notes", False, {}),
        ({"spark.sql.catalog.lake": "some.Catalog"} | KEPT, "cardiology", "lake.ward.notes", False, HIVE),
        ({"spark.sql.catalog.spark_catalog": "some.Catalog"}, "cardiology", None, False, {}),
        ({"spark.sql.defaultCatalog": "lake"}, None, "notes", False, {}),
    ],
)
def test_hives_catalog_is_used_where_a_database_or_table_is_asked_for_and_none_was_chosen(
    properties: dict[str, str], database: str | None, table: str | None, has_site: bool, added: dict[str, str]
) -> None:
    assert catalog_defaults(conf_of(properties), database, table, has_hive=True, has_site=has_site) == added


@pytest.mark.parametrize(
    ("properties", "has_hive", "message"),
    [
        ({}, True, r"--database ward: nothing says where.*hive-site\.xml.*ConnectionURL=jdbc:derby"),
        ({"spark.sql.warehouse.dir": "/srv"}, True, "nothing says where the catalog is kept"),
        (HIVE, True, "nothing says where the catalog is kept"),
        (KEPT, False, "--database ward: this Spark has no Hive classes.*ends with this process"),
        (KEPT | {CATALOG: "in-memory"}, True, f"{CATALOG} is in-memory.*expected {CATALOG}=hive"),
    ],
)
def test_a_catalog_that_would_end_with_the_process_is_refused(
    properties: dict[str, str], has_hive: bool, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        catalog_defaults(conf_of(properties), "ward", None, has_hive=has_hive, has_site=False)


def test_ctrl_c_while_spark_starts_ends_the_process_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in a traceback of Py4J's; afterwards it does what it did before."""
    before = signal.getsignal(signal.SIGINT)

    def start() -> None:
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
        raise ConfigError("no Spark here")

    monkeypatch.setattr(SparkContext, "_ensure_initialized", start)
    with pytest.raises(ConfigError, match="no Spark here"):
        session("test")
    assert signal.getsignal(signal.SIGINT) == before
