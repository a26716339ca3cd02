"""A checkpoint in a package that is imported from a zip becomes a folder: once, whole, and nobody else's."""

from __future__ import annotations

import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cardio_ner.checkpoint import WEIGHTS, Checkpoint, resolve_model
from cardio_ner.document import Document
from cardio_ner.errors import CheckpointError
from cardio_ner.tagger import Tagger
from tiny_models import CLINICAL_TEXT

NAME = "package:zipped_models/deep/es"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine's folder for temporary files."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def zipped(two_group_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporary: Path) -> str:
    """A package in a zip on the path, with a checkpoint two folders down."""
    archive = tmp_path / "zipped_models.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr("zipped_models/__init__.py", "")
        written.writestr("zipped_models/deep/other/config.json", "{}")
        for path in two_group_checkpoint.iterdir():
            written.write(path, f"zipped_models/deep/es/{path.name}")
    monkeypatch.syspath_prepend(archive)
    monkeypatch.delitem(sys.modules, "zipped_models", raising=False)
    return NAME


def test_a_checkpoint_in_a_zip_tags_as_the_folder_it_was_made_from(zipped: str, two_group_checkpoint: Path) -> None:
    note = Document("1", "es", CLINICAL_TEXT)
    from_zip, from_folder = Tagger.load(zipped, device="cpu"), Tagger.load(two_group_checkpoint, device="cpu")
    assert from_zip.model_id == from_folder.model_id
    assert list(from_zip.tag([note])) == list(from_folder.tag([note]))


def test_many_at_once_share_one_copy_and_leave_nothing_else(zipped: str, temporary: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(resolve_model, [zipped] * 8))
    assert len(set(folders)) == 1
    (private,) = temporary.iterdir()
    assert list(private.iterdir()) == [folders[0]]
    assert not list(folders[0].rglob("other"))


def test_a_copy_that_lost_a_file_is_put_back(zipped: str, temporary: Path) -> None:
    folder = resolve_model(zipped)
    before = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).unlink()
    (folder / "config.json").write_text("")
    assert resolve_model(zipped) == folder
    assert (folder / WEIGHTS).read_bytes() == before
    assert list(folder.parent.iterdir()) == [folder]
    Checkpoint.open(zipped)


def test_the_copy_is_closed_to_other_users(zipped: str, temporary: Path) -> None:
    assert resolve_model(zipped).parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("planted", ["folder", "link"])
def test_a_folder_that_somebody_else_may_have_made_is_refused(zipped: str, temporary: Path, planted: str) -> None:
    private = resolve_model(zipped).parent
    private.rename(temporary / "elsewhere")
    if planted == "folder":
        private.mkdir(mode=0o777)
        private.chmod(0o777)
    else:
        private.symlink_to(temporary / "elsewhere")
    with pytest.raises(CheckpointError, match=r"expected a folder of user \d+ with mode 700"):
        resolve_model(zipped)


def test_a_folder_that_the_zip_does_not_hold_is_no_model(zipped: str) -> None:
    with pytest.raises(CheckpointError, match="expected a Hugging Face model directory"):
        Checkpoint.open("package:zipped_models/deep/pt")
