"""`cardio-ner doctor`: its table and its exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cardio_ner.cli import app


@pytest.fixture
def java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Java that says that it is one, and no data folder."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/java").write_text("#!/bin/sh\necho 'openjdk version \"17.0.15\"' >&2\n")
    (tmp_path / "bin/java").chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.delenv("SPARK_HOME", raising=False)
    monkeypatch.delenv("CARDIO_NER_DATA", raising=False)


@pytest.mark.usefixtures("java")
def test_every_part_has_a_line_and_what_is_off_breaks_nothing() -> None:
    result = CliRunner().invoke(app, ["doctor"])
    lines = [line for line in result.stdout.splitlines() if line.startswith("│")]
    states = {cells[0].strip(): cells[1].strip() for line in lines if (cells := line.strip("│").split("│"))}
    whole = ("torch", "checkpoint es", "checkpoint en", "checkpoint it", "tagging", "Spark", "Java")
    assert {name: states[name] for name in whole} == dict.fromkeys(whole, "works")
    assert states["CARDIO_NER_DATA"] == "off"
    assert set(states) == {*whole, "CPU", "GPU", "CARDIO_NER_DATA"}
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith("Nothing is broken.\n")


@pytest.mark.usefixtures("java")
def test_what_is_broken_is_named_with_its_remedy_and_is_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    monkeypatch.setenv("CARDIO_NER_DATA", "/nowhere")
    result = CliRunner().invoke(app, ["doctor"])
    assert (result.exit_code, result.stderr) == (1, "Broken: Java, CARDIO_NER_DATA.\n")
    assert "install Java 17 or 21 and set JAVA_HOME" in result.stdout
    assert "Nothing is broken" not in result.stdout
