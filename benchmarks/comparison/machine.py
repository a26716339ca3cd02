"""What a measurement was made on and with: processor, versions, commit, command."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_bf16", "amx_int8")
"""What the processor may have that bears on products of matrices."""
PACKAGES = ("torch", "transformers", "tokenizers", "pyspark", "pyarrow", "pandas", "numpy")


def machine() -> dict[str, Any]:
    """The processor, which of FLAGS it has, cores, memory, system."""
    facts = _cpuinfo()
    return {
        "cpu": facts.get("model name") or platform.processor() or platform.machine(),
        "family_model_stepping": [facts.get(name, "?") for name in ("cpu family", "model", "stepping")],
        "flags": [flag for flag in FLAGS if flag in facts.get("flags", "").split()],
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": platform.platform(),
    }


def commit() -> tuple[str, bool]:
    """The commit's full name, empty outside a git checkout; do tracked files differ from it?"""
    return _git("rev-parse", "HEAD"), bool(_git("status", "--porcelain", "--untracked-files=no"))


def provenance() -> dict[str, Any]:
    """When, by which command, from which commit."""
    name, changed = commit()
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": shlex.join(["python", *sys.argv]),
        "git_commit": name,
        "changed_since": changed,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def versions_in(python: Path, *names: str) -> dict[str, str]:
    """Versions of packages in another environment."""
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    told = subprocess.run([python, "-c", code, *names], capture_output=True, text=True, check=True)
    return dict(zip(names, told.stdout.split(), strict=True))


def _cpuinfo() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    first = path.read_text(encoding="utf-8").partition("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _git(*arguments: str) -> str:
    try:
        told = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=False)
    except OSError:  # no git
        return ""
    return told.stdout.strip()
