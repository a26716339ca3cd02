"""The README's Python blocks run as they stand; what else holds of every page is in test_pages.py."""

from __future__ import annotations

import re

import pytest

from pages import ROOT, blocks

README = ROOT / "README.md"


@pytest.mark.parametrize("code", blocks(README, "python"))
def test_a_python_block_runs_and_prints_what_the_readme_says(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = [line.removeprefix("# ") for line in code.splitlines() if line.startswith("# ")]
    exec(compile(code, "README.md", "exec"), {})
    assert said
    assert capsys.readouterr().out.splitlines() == said


def test_every_path_of_the_table_of_the_repository_exists() -> None:
    table = README.read_text(encoding="utf-8").split("## The repository")[1]
    named = re.findall(r"^\| `([\w./-]+)` \|", table, flags=re.MULTILINE)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_readme_begins_with_demo_and_test() -> None:
    assert {"make demo", "make test"} <= {line.split("  ")[0] for line in blocks(README, "sh")[0].splitlines()}
