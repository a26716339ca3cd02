"""Folders of an installed package as real folders, also where the package is imported from a zip.

Contract
- `spark-submit --py-files cardio_ner.zip` imports the package from that zip, and weights cannot be read inside one:
  the folder is unpacked to TMPDIR/cardio-ner-<uid>/<digest of its content>, which no other user can open.
- All processes of a user on a machine share the one copy. It appears whole (a rename) or not at all; one that lost
  files is put back. Nothing is removed at the end: Spark's Python workers end without running exit handlers.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
import zipfile
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from cardio_ner.errors import CheckpointError


def package_folder(package: str, inner: str) -> Path:
    """The folder `inner` of a package, whether or not there is one. Raises ModuleNotFoundError without the package."""
    found = files(package).joinpath(inner)
    if isinstance(found, zipfile.Path) and found.is_dir():
        return _unpacked(found)
    return Path(str(found))


def _unpacked(folder: zipfile.Path) -> Path:
    """The copy of a zip's folder on disk, made where there is none."""
    inside: zipfile.ZipFile = folder.root
    members = [info for info in inside.infolist() if info.filename.startswith(folder.at) and not info.is_dir()]
    sizes = {info.filename.removeprefix(folder.at): info.file_size for info in members}
    content = sorted((info.filename.removeprefix(folder.at), info.CRC, info.file_size) for info in members)
    place = _private_folder() / hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    if not _is_whole(place, sizes):
        with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
            inside.extractall(scratch, members)
            _put(Path(scratch, folder.at), place, sizes, aside=Path(scratch, ".lost-files"))
    return place


def _put(fresh: Path, place: Path, sizes: dict[str, int], *, aside: Path) -> None:
    """Move a fresh copy into its place, unless another process did so first."""
    while not _is_whole(place, sizes):
        try:
            fresh.rename(place)
        except OSError:
            if not place.is_dir():
                raise
            shutil.rmtree(aside, ignore_errors=True)
            with suppress(FileNotFoundError):
                place.rename(aside)


def _is_whole(place: Path, sizes: dict[str, int]) -> bool:
    """Is every file there, as long as it should be? Cleaners of temporary folders remove single files."""
    try:
        return all((place / name).stat().st_size == size for name, size in sizes.items())
    except FileNotFoundError:
        return False


def _private_folder() -> Path:
    """The user's folder for copies. Raises CheckpointError if others could put their own weights there."""
    folder = Path(tempfile.gettempdir(), f"cardio-ner-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise CheckpointError(
            f"{folder}: expected a folder of user {os.getuid()} with mode 700, as checkpoints are unpacked there: "
            "remove it, or set TMPDIR to a folder of your own"
        )
    return folder
