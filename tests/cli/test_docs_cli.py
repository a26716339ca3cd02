"""docs/cli.md is run: what it says that a command answers is what it answers.

`console` blocks are compared line by line. In `console columns` blocks models have their say: of those the columns, the
keys and the titles are compared.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cardio_ner.cli import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/cli.md").read_text(encoding="utf-8")


def examples(kind: str) -> list[tuple[str, str]]:
    """(command, answer) for each command of the blocks of a kind."""
    blocks = re.findall(rf"^```{kind}\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    return [
        (command, answer)
        for block in blocks
        for command, answer in re.findall(r"^\$ cardio-ner (.*)\n((?:(?!\$ ).*\n)*)", block, flags=re.MULTILINE)
    ]


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def names(text: str) -> list[list[str]]:
    """The columns of each table, the header of CSV, the keys of JSON, the titles of tables."""
    found = []
    for number, line in enumerate(lines(text)):
        if line.startswith("┃"):
            found.append(line.replace("┃", " ").split())
        elif line.startswith("{"):
            found.append(list(json.loads(line)))
        elif line[0].isalpha() and (number == 0 or "," not in line):
            found.append(re.sub(r"\d+", "0", line).split())
    return found


@pytest.fixture(autouse=True)
def here(tmp_path: Path, notes_output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the repository's examples and the job's output over them."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "out").symlink_to(notes_output)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("command", "answer"), examples("console"))
def test_an_example_answers_what_the_page_says(command: str, answer: str) -> None:
    assert lines(CliRunner().invoke(app, shlex.split(command)).output) == lines(answer)


@pytest.mark.parametrize(("command", "answer"), examples("console columns"))
def test_an_example_with_a_model_s_say_has_the_columns_of_the_page(command: str, answer: str) -> None:
    told = CliRunner().invoke(app, shlex.split(command)).output
    assert names(answer)
    assert names(told) == names(answer)


def test_every_command_has_a_section_with_its_options() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert set(re.findall(r"^## ([a-z]+)$", PAGE, flags=re.MULTILINE)) == set(commands)
    for name, command in commands.items():
        section = PAGE.split(f"\n## {name}\n")[1].split("\n## ")[0]
        for option in (word for parameter in command.params for word in parameter.opts if word.startswith("--")):
            assert option in section, (name, option)


def test_the_exit_codes_are_those_of_the_help() -> None:
    section = PAGE.split("\n## Exit codes\n")[1].split("\n## ")[0]
    codes = re.findall(r"^\| (\d+) \|", section, flags=re.MULTILINE)
    assert codes == ["0", "1", "2", "130", "141"]
    help_text = CliRunner().invoke(app, ["--help"]).output
    assert re.findall(r"\b\d+\b", help_text[help_text.index("Exit codes") :]) == codes
