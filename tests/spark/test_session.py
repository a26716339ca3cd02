"""A plain spark-submit on one machine opens nothing to the network."""

from __future__ import annotations

import pytest
from pyspark import SparkConf

from cardio_ner.errors import ConfigError
from cardio_ner.spark.session import loopback_defaults

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
