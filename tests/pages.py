"""Pages of documentation taken apart: what can be run in them, and what they name."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "examples/*.md", "docker/*.md", "benchmarks/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"  # it may name what is gone
)
_FOLDERS = "benchmarks|conf|docker|docs|examples|jobs|models|src|tests|training"
_PATH = re.compile(rf"(?<![\w./:-])(?:{_FOLDERS})/[\w./-]*[\w/]")
_LINK = re.compile(r"\]\((?!\w+:)([^)#]+)[^)]*\)")


def blocks(page: Path, language: str) -> list[str]:
    """The page's blocks of code in a language (or another word after the fence)."""
    return [code for code, _ in _followed(page, language, "")]


def printing_blocks(page: Path) -> list[tuple[str, str]]:
    """The Python blocks, each with the text block right below it: what it prints."""
    return _followed(page, "python", r"(?:\n```text\n(.*?)^```)?")


def answered_queries(page: Path) -> list[tuple[str, list[list[str]]]]:
    """The SQL blocks, each with the rows of the table right below it, if there is one."""
    found = _followed(page, "sql", r"(?:\n((?:\|[^\n]*\n)+))?")
    return [(sql, [_cells(line) for line in table.splitlines()[2:]]) for sql, table in found]


def named_paths(page: Path) -> set[Path]:
    """Where the links of a page lead, and the files and folders of the repository that it names anywhere."""
    text = page.read_text(encoding="utf-8")
    return {page.parent / link for link in _LINK.findall(text)} | {ROOT / name for name in _PATH.findall(text)}


def _followed(page: Path, language: str, below: str) -> list[tuple[str, str]]:
    text = page.read_text(encoding="utf-8")
    found = re.finditer(rf"^```{language}\n(.*?)^```\n{below}", text, flags=re.DOTALL | re.MULTILINE)
    return [(match[1], (match[2] or "") if below else "") for match in found]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
