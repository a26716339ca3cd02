"""The Spark properties that ship: each is one that this Spark knows, with a value that it takes."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import pyspark
import pytest
from pyspark.errors import IllegalArgumentException
from pyspark.sql import SparkSession

CONFS = Path(__file__).parents[1] / "conf/spark"
JARS = Path(pyspark.__file__).parent / "jars"
CLUSTERS = ("standalone", "yarn", "kubernetes")
COMMON = "# ── The same on every cluster"
RESOURCES = re.compile(r"spark\.(executor|task)\.resource\.gpu\.(amount|discoveryScript|vendor)")
CATALOGUES = (
    *(f"internal.config.{name}$" for name in ("package", "Python", "UI", "Network", "Worker", "History", "Deploy")),
    *(f"sql.internal.{name}$" for name in ("SQLConf", "StaticSQLConf")),
    "deploy.k8s.Config$",
    "deploy.yarn.config.package$",
)
"""Where Spark declares its properties: known once the class is loaded."""


def properties(name: str) -> dict[str, str]:
    """A file's properties; each line is one, as spark-submit reads it."""
    lines = (CONFS / name).read_text(encoding="utf-8").splitlines()
    pairs = [line.split(None, 1) for line in lines if line.strip() and not line.startswith("#")]
    found = {key: value.strip() for key, value in pairs}
    assert len(found) == len(pairs), f"{name}: a property stands twice"
    return found


def names() -> list[str]:
    return sorted(path.name for path in CONFS.glob("*.conf"))


@pytest.fixture(scope="module")
def declared(spark: SparkSession) -> Any:
    """Spark's own registry of properties: name → declaration."""
    jvm: Any = spark.sparkContext._jvm
    for catalogue in CATALOGUES:
        jvm.java.lang.Class.forName(f"org.apache.spark.{catalogue}")
    return getattr(getattr(jvm.org.apache.spark.internal.config, "ConfigEntry$"), "MODULE$").knownConfigs()


@pytest.fixture(scope="module")
def other_keys() -> bytes:
    """The classes that name what is in no registry: properties of the network, and defaults that Spark prepends."""
    classes = {"network-common": "network/util/TransportConf", "launcher": "launcher/SparkLauncher"}
    read = []
    for part, name in classes.items():
        (jar,) = JARS.glob(f"spark-{part}_*.jar")
        read.append(zipfile.ZipFile(jar).read(f"org/apache/spark/{name}.class"))
    return b"".join(read)


def unknown(key: str, declared: Any, other_keys: bytes) -> bool:
    constant = len(key).to_bytes(2, "big") + key.encode()
    return not (declared.containsKey(key) or constant in other_keys or RESOURCES.fullmatch(key))


@pytest.mark.parametrize("name", names())
def test_spark_knows_every_property(name: str, declared: Any, other_keys: bytes) -> None:
    assert [key for key in properties(name) if unknown(key, declared, other_keys)] == []


def read(declaration: Any, value: str) -> str:
    """The value as Spark understands it, in words again. Raises IllegalArgumentException where it is not one."""
    return str(declaration.valueConverter().andThen(declaration.stringConverter()).apply(value))


@pytest.mark.parametrize("name", names())
def test_spark_takes_every_value(name: str, declared: Any) -> None:
    for key, value in properties(name).items():
        if declared.containsKey(key):
            assert read(declared.get(key), value)


@pytest.mark.parametrize(
    ("key", "value"), [("spark.speculation", "off"), ("spark.sql.execution.arrow.maxBytesPerBatch", "16 sacks")]
)
def test_a_misspelt_property_or_value_would_be_found(key: str, value: str, declared: Any, other_keys: bytes) -> None:
    with pytest.raises(IllegalArgumentException):
        read(declared.get(key), value)
    assert unknown(key + "s", declared, other_keys)
    assert unknown("spark.network.crypto.ciphers", declared, other_keys)


def test_clusters_differ_in_what_only_one_of_them_has() -> None:
    files = [f"{cluster}-{kind}.conf" for cluster in CLUSTERS for kind in ("cpu", "gpu")]
    assert set(files) < set(names())
    shared = {(CONFS / name).read_text(encoding="utf-8").partition(COMMON)[2] for name in files}
    assert len(shared) == 1
    for cluster in CLUSTERS:
        cpu, gpu = properties(f"{cluster}-cpu.conf"), properties(f"{cluster}-gpu.conf")
        differing = {key for key in cpu | gpu if cpu.get(key) != gpu.get(key)}
        assert all(RESOURCES.fullmatch(key) or key == "spark.executor.memoryOverhead" for key in differing), differing


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_as_many_tasks_share_an_executors_gpu_as_it_has_cores(cluster: str) -> None:
    found = properties(f"{cluster}-gpu.conf")
    tasks = int(found["spark.executor.resource.gpu.amount"]) / float(found["spark.task.resource.gpu.amount"])
    assert tasks == int(found["spark.executor.cores"]) / int(found["spark.task.cpus"])


@pytest.mark.parametrize("name", names())
def test_no_file_holds_a_secret(name: str) -> None:
    assert not [key for key in properties(name) if re.search(r"secret|password|token|credential", key)]
