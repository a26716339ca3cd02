"""What the doctor looks at: real programs named java, real folders, a spoiled checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from cardio_ner.checkpoint import Checkpoint, packaged_model
from cardio_ner.cli import checks
from cardio_ner.document import LANGUAGES

MakeJava = Callable[[str], Path]
MODULE_REFUSED = 'case "$*" in *jdk.incubator.vector*) exit 1;; esac\n'


@pytest.fixture
def java_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeJava:
    """Makes a Java that runs so many lines of shell, and sets JAVA_HOME to it."""

    def make(script: str) -> Path:
        java = tmp_path / "jdk/bin/java"
        java.parent.mkdir(parents=True)
        java.write_text(f"#!/bin/sh\n{script}", encoding="utf-8")
        java.chmod(0o755)
        monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
        return tmp_path / "jdk"

    return make


def says(version_line: str) -> str:
    return f"echo '{version_line}' >&2\n"


@pytest.mark.parametrize(
    ("script", "state", "found"),
    [
        (says('openjdk version "17.0.15" 2025-04-15'), "works", "Java 17"),
        (says('openjdk version "21-ea"'), "works", "Java 21"),
        (says('java version "1.8.0_402"'), "broken", "Java 8, Spark needs 17 or later"),
        (MODULE_REFUSED + says('openjdk version "17.0.15"'), "broken", "reduced, without jdk.incubator.vector"),
        (says("Segmentation fault"), "broken", "no Java that runs"),
        (says('openjdk version "17.0.15"') + "exit 1", "broken", "no Java that runs"),
    ],
)
def test_java_works_from_17_on_with_the_module_that_spark_starts_with(
    java_home: MakeJava, script: str, state: str, found: str
) -> None:
    home = java_home(script)
    check = checks.java()
    assert (check.state, check.found) == (state, f"JAVA_HOME is {home}: {found}")
    assert ("docker/java.sh" in check.remedy) == (state == "broken")


def test_a_java_home_without_java_is_broken_although_the_path_has_one(
    java_home: MakeJava, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(java_home(says('openjdk version "17.0.15"')) / "bin"))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    assert checks.java().state == "broken"
    monkeypatch.delenv("JAVA_HOME")
    assert checks.java().state == "works"


def test_spark_without_java_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert (checks.java().state, checks.java().found) == ("broken", "none: only the job needs it")


@pytest.mark.parametrize(
    ("jar", "state", "found"),
    [
        (f"spark-core_2.13-{version('pyspark')}.jar", "works", version("pyspark")),
        ("spark-core_2.12-3.5.1.jar", "broken", "3.5.1, tried on 4.3"),
        ("spark-core_2.13-4.30.0.jar", "broken", "4.30.0, tried on 4.3"),
        ("spark-core_2.13-4.3.99.jar", "broken", "SPARK_HOME has 4.3.99, Python has pyspark"),
        ("other.jar", "broken", "where no Spark is"),
    ],
)
def test_spark_is_that_of_spark_home_and_of_the_tried_line(
    jar: str, state: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / jar).touch()
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    check = checks.spark()
    assert check.state == state
    assert found in check.found


def test_the_checkpoints_that_ship_are_whole() -> None:
    found = list(checks.checkpoints())
    assert [check.state for check in found] == ["works"] * len(LANGUAGES)
    for language, check in zip(LANGUAGES, found, strict=True):
        assert check.name == f"checkpoint {language}"
        assert Checkpoint.open(packaged_model(language)).model_id in check.found


@pytest.mark.parametrize("content", [b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", b""])
def test_weights_that_are_none_are_broken(content: bytes, checkpoint_copy: Path) -> None:
    (checkpoint_copy / "model.safetensors").write_bytes(content)
    check = checks.checkpoint("es", checkpoint_copy)
    assert check.state == "broken"
    assert "git lfs pull" in check.remedy


def test_a_manifest_of_another_model_is_broken(checkpoint_copy: Path) -> None:
    (checkpoint_copy / "cardio_ner.json").write_text('{"label_groups": [["O", "B-X", "I-X"]]}')
    assert "the files are of two models" in checks.checkpoint("es", checkpoint_copy).found


def test_the_data_folder_is_off_unset_and_broken_where_it_is_none(
    tmp_path: Path, official_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value, state in (("", "off"), (str(tmp_path), "broken"), (str(official_data), "works")):
        monkeypatch.setenv("CARDIO_NER_DATA", value)
        assert checks.data().state == state


def test_torch_loads_and_tagging_works() -> None:
    check = checks.tagging()
    assert check.state == "works"
    assert check.found.startswith("a medication in a Spanish text; packed rows, attention by_length, torch.")
    assert checks.torch().state == "works"
