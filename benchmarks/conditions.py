"""What a measurement was made on and with, and the two files that it leaves: Markdown for people, JSON for programs.

Contract
- `conditions()` names the processor, its cores and the instructions that matter here, the versions, the command and the
  commit; it says nothing of folders.
- Times on a shared machine drift: scripts interleave what they compare and report medians of ratios, with their spread.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from comparison.machine import commit, machine

RESULTS = Path(__file__).with_name("results")


def conditions(packages: Sequence[str]) -> dict[str, str]:
    """Hardware, versions of the packages (those installed), command and commit."""
    versions = []
    for name in packages:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(f"{name}: not installed")
    name, changed = commit()
    return {
        "date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
        "hardware": hardware(),
        "versions": ", ".join([f"Python {platform.python_version()}", *versions]),
        "command": "python " + shlex.join(sys.argv),
        "commit": (name[:7] or "not a git checkout") + (" with changes" if changed else ""),
    }


def hardware() -> str:
    """The processor, the cores that this process may use, and its instructions for matrices."""
    told = machine()
    family, model, _ = told["family_model_stepping"]
    kind = f" (family {family}, model {model})" if family != "?" else ""
    return f"{told['cpu']}{kind}, {len(os.sched_getaffinity(0))} cores, {', '.join(told['flags']) or 'no AVX2'}"


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, n_text_columns: int = 1) -> str:
    """A table whose first columns are text and whose others are numbers, set to the right."""
    rule = ["---"] * n_text_columns + ["---:"] * (len(columns) - n_text_columns)
    return "\n".join("| " + " | ".join(row) + " |" for row in (columns, rule, *rows))


def write_results(name: str, title: str, sections: Sequence[str], data: Mapping[str, object]) -> Path:
    """Write `results/<day>-<name>.md` and `.json`; `data` holds `conditions`. The Markdown file's path."""
    told = data["conditions"]
    assert isinstance(told, dict)
    head = [f"# {title}", "\n".join(f"- {key}: {value}" for key, value in told.items())]
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{told['date'][:10]}-{name}.md"
    path.write_text("\n\n".join([*head, *sections]) + "\n", encoding="utf-8")
    path.with_suffix(".json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return path
