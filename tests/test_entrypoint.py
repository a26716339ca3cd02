"""docker/entrypoint.sh, outside a container: what it starts for whom, and with which words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyspark
import pytest

from processes import PATIENCE

ROOT = Path(__file__).parents[1]
ENTRYPOINT = ROOT / "docker/entrypoint.sh"
TELL = f"#!{sys.executable}\nimport json, os, sys\nprint(json.dumps([sys.argv[1:], dict(os.environ)]))\n"
POD = {
    "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@127.0.0.1:9",
    "SPARK_EXECUTOR_ID": "7",
    "SPARK_EXECUTOR_CORES": "4",
    "SPARK_EXECUTOR_MEMORY": "64m",
    "SPARK_APPLICATION_ID": "spark-1",
    "SPARK_EXECUTOR_POD_IP": "127.0.0.1",
    "SPARK_EXECUTOR_POD_NAME": "pod-7",
    "SPARK_RESOURCE_PROFILE_ID": "0",
    "SPARK_CONF_DIR": "/opt/spark/conf",
    "SPARK_JAVA_OPT_0": "-Dspark.driver.port=9",
    "SPARK_JAVA_OPT_1": "-Dsaid=two words 'quoted' $HOME",
}

OPENED = ("java.lang", "java.nio", "java.util", "sun.nio.ch", "java.lang.invoke", "java.util.concurrent")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A Spark and a Java whose programs tell how they were called."""
    for program in ("bin/spark-submit", "bin/spark-class", "bin/java"):
        path = tmp_path / program
        path.parent.mkdir(exist_ok=True)
        path.write_text(TELL)
        path.chmod(0o755)
    return tmp_path


def start(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "SPARK_HOME": str(home), "JAVA_HOME": str(home), "TMPDIR": str(home)}
    command = [ENTRYPOINT, *arguments]
    environment |= variables
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)


def told(result: subprocess.CompletedProcess[str]) -> tuple[list[str], dict[str, str]]:
    assert result.returncode == 0, result.stderr
    arguments, environment = json.loads(result.stdout)
    return arguments, environment


def test_a_kubernetes_driver_is_submitted_in_its_own_pod(home: Path) -> None:
    submitted = ["--properties-file", "/opt/spark/conf/spark.properties", "local:///jobs/annotate.py", "--input", "a b"]
    arguments, _ = told(start(home, "driver", *submitted, SPARK_DRIVER_BIND_ADDRESS="10.1.2.3"))
    assert arguments[:2] == ["--deploy-mode", "client"]
    assert "spark.driver.bindAddress=10.1.2.3" in arguments
    assert arguments[-len(submitted) :] == submitted


def test_a_kubernetes_executor_gets_its_options_word_for_word(home: Path) -> None:
    arguments, _ = told(start(home, "executor", **POD))
    assert arguments[:4] == [POD["SPARK_JAVA_OPT_0"], POD["SPARK_JAVA_OPT_1"], "-Xms64m", "-Xmx64m"]
    assert arguments[5].split(":") == ["/opt/spark/conf", f"{home}/jars/*"]
    arguments, _ = told(start(home, "executor", **POD, HADOOP_CONF_DIR="/opt/hadoop/conf"))
    assert arguments[5].split(":") == ["/opt/spark/conf", "/opt/hadoop/conf", f"{home}/jars/*"]
    assert arguments[-2:] == ["--podName", "pod-7"]


def test_the_executor_of_this_spark_understands_these_options() -> None:
    java_sh = ["sh", ROOT / "docker/java.sh"]
    java_home = subprocess.run(java_sh, capture_output=True, text=True, check=True).stdout.strip()
    options = {f"SPARK_JAVA_OPT_{i}": f"--add-opens=java.base/{name}=ALL-UNNAMED" for i, name in enumerate(OPENED)}
    variables = POD | options | {"JAVA_HOME": java_home, "SPARK_CONF_DIR": "/nowhere", "SPARK_EXECUTOR_MEMORY": "128m"}
    result = start(Path(pyspark.__file__).parent, "executor", **variables)
    assert "Usage" not in result.stdout + result.stderr
    assert "Failed to connect to /127.0.0.1:9" in result.stderr  # all that is missing is the driver


@pytest.mark.parametrize(("role", "starts"), [("master", "master.Master"), ("worker", "worker.Worker")])
def test_a_standalone_clusters_secret_goes_into_a_file_of_the_user_alone(home: Path, role: str, starts: str) -> None:
    (home / "secret").write_text("s3cret\n")
    arguments, environment = told(start(home, role, "--port", "7", SPARK_SECRET_FILE=str(home / "secret")))
    assert arguments[-2:] == ["--port", "7"]
    assert any(starts in argument for argument in arguments)
    conf = Path(environment["SPARK_CONF_DIR"])
    lines = (conf / "spark-defaults.conf").read_text().splitlines()
    assert "spark.authenticate.secret s3cret" in lines
    assert {line.split()[0] for line in lines if line} > {"spark.authenticate", "spark.network.crypto.enabled"}
    assert conf.stat().st_mode & 0o077 == 0
    del environment["SPARK_CONF_DIR"]
    assert "s3cret" not in json.dumps([arguments, environment])


def test_a_submitted_job_leaves_no_secret_and_hands_on_how_it_ended(home: Path) -> None:
    (home / "secret").write_text("s3cret\n")
    (home / "bin/spark-submit").write_text('#!/bin/sh\ncat "$SPARK_CONF_DIR/spark-defaults.conf"\necho "$@"\nexit 5\n')
    result = start(home, "submit", "--port", "7 8", SPARK_SECRET_FILE=str(home / "secret"))
    assert result.returncode == 5
    assert result.stdout.splitlines()[-2:] == ["spark.authenticate.secret s3cret", "--load-spark-defaults --port 7 8"]
    assert sorted(path.name for path in home.iterdir()) == ["bin", "secret"]


def test_a_submitted_job_is_told_to_stop_and_waited_for(home: Path) -> None:
    (home / "secret").write_text("s3cret\n")
    (home / "bin/spark-submit").write_text(
        "#!/bin/sh\ntrap 'sleep 0.5; echo stopped; exit 0' TERM\necho started\nwhile true; do sleep 0.05; done\n"
    )
    environment = {"PATH": os.environ["PATH"], "SPARK_HOME": str(home), "TMPDIR": str(home)}
    environment["SPARK_SECRET_FILE"] = str(home / "secret")
    with subprocess.Popen([ENTRYPOINT, "submit"], env=environment, stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout is not None
        assert job.stdout.readline() == "started\n"
        job.terminate()
        assert job.stdout.read() == "stopped\n"
        assert job.wait(PATIENCE) == 0
    assert sorted(path.name for path in home.iterdir()) == ["bin", "secret"]


def test_a_secret_of_two_lines_is_refused(home: Path) -> None:
    (home / "secret").write_text("one\nt0w\n")
    result = start(home, "submit", SPARK_SECRET_FILE=str(home / "secret"))
    assert result.returncode == 1
    assert "expected a secret of one line" in result.stderr
    assert "t0w" not in result.stderr


def test_a_workers_own_properties_stay(home: Path) -> None:
    (home / "secret").write_text("s3cret")
    (home / "conf").mkdir()
    (home / "conf/spark-defaults.conf").write_text("spark.worker.resource.gpu.amount 4")
    (home / "conf/core-site.xml").write_text("<configuration/>")
    _, environment = told(start(home, "worker", SPARK_SECRET_FILE=str(home / "secret")))
    conf = Path(environment["SPARK_CONF_DIR"])
    assert "spark.worker.resource.gpu.amount 4" in (conf / "spark-defaults.conf").read_text().splitlines()
    assert (conf / "core-site.xml").exists()
    assert "s3cret" not in (home / "conf/spark-defaults.conf").read_text()


@pytest.mark.parametrize("role", ["master", "worker", "submit"])
def test_no_standalone_cluster_without_a_secret(home: Path, role: str) -> None:
    result = start(home, role, SPARK_SECRET_FILE=str(home / "none"))
    assert result.returncode == 1
    assert "no secret: expected a file that holds it" in result.stderr


def test_any_other_word_is_a_command(home: Path) -> None:
    assert start(home, "echo", "a  b").stdout == "a  b\n"
