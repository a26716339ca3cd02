"""What is installed is what works: a wheel, an environment without this checkout, another folder, no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from processes import PATIENCE

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new virtual environment with the wheel alone; dependencies are borrowed from the one that runs the tests."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(build, check=True, capture_output=True, timeout=PATIENCE)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=False)
    (site,) = (folder / "env").glob("lib/python*/site-packages")
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", site, wheel]
    subprocess.run(install, check=True, capture_output=True, timeout=PATIENCE)
    # A plain line, not a site directory: the checkout's own editable install is not followed.
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "env"


def test_the_wheel_tags_offline_from_another_folder(environment: Path, tmp_path: Path) -> None:
    note = tmp_path / "nota.txt"
    note.write_text("Paziente in terapia con apixaban e bisoprololo.", encoding="utf-8")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "HF_"))}
    result = subprocess.run(
        [environment / "bin/python", "-m", "cardio_ner", "tag", "--language", "it", "--json", note],
        capture_output=True, text=True, cwd=tmp_path, timeout=PATIENCE, check=False,
        env=clean | {"HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    mentions = [json.loads(line) for line in result.stdout.splitlines()]
    assert [mention["text"] for mention in mentions] == ["apixaban", "bisoprololo"]


def test_the_library_comes_from_the_wheel_and_carries_its_data(environment: Path, tmp_path: Path) -> None:
    code = (
        "import cardio_ner, pathlib; folder = pathlib.Path(cardio_ner.__file__).parent; print(folder);"
        "print(sorted(str(p.relative_to(folder)) for p in folder.rglob('*') "
        "if p.suffix in ('.safetensors', '.sql', '.jinja', '.css', '.js')))"
    )
    command = [environment / "bin/python", "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=PATIENCE, check=True)
    where, carried = result.stdout.splitlines()
    assert Path(where).is_relative_to(environment)
    for name in ("models/es/model.safetensors", "models/en/model.safetensors", "models/it/model.safetensors"):
        assert name in carried
    for name in ("sql/top_mentions.sql", "report/html/page.html.jinja", "report/html/page.css", "report/html/page.js"):
        assert name in carried


def test_the_core_imports_neither_torch_nor_transformers_nor_pyspark(environment: Path, tmp_path: Path) -> None:
    code = (
        "import sys, cardio_ner, cardio_ner.corpus.multicardioner, cardio_ner.checkpoint, cardio_ner.tokenization, "
        "cardio_ner.evaluation, cardio_ner.report.page; print({'torch', 'transformers', 'pyspark'} & set(sys.modules))"
    )
    command = [environment / "bin/python", "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=PATIENCE, check=True)
    assert result.stdout.strip() == "set()"
