"""conf/spark/gpus.sh, the discovery script: what Spark reads of it, with a stand-in for nvidia-smi."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from cardio_ner.spark.placement import cuda_index
from processes import PATIENCE

SCRIPT = Path(__file__).parents[2] / "conf/spark/gpus.sh"
UUID_A, UUID_B = "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", "GPU-11110000-0a4b-4d0e-9b1e-7c66b6a4a1c2"
TWO_GPUS = f"printf '%s\\n' '0, {UUID_A}' '1, {UUID_B}'"


def discover(folder: Path, nvidia_smi: str | None, visible: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the script in an environment whose nvidia-smi is that shell command (or is not there)."""
    for tool in ("grep", "tr", "cut"):
        (folder / tool).symlink_to(str(shutil.which(tool)))
    if nvidia_smi is not None:
        (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{nvidia_smi}\n", encoding="utf-8")
        (folder / "nvidia-smi").chmod(0o755)
    environment = {"PATH": str(folder)} | ({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible})
    return subprocess.run(
        ["/bin/sh", str(SCRIPT)], env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
    )


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, ["0", "1"]),
        ("0", ["0"]),
        ("1,0", ["1", "0"]),
        (" 1 , 0 ", ["1", "0"]),
        (f"{UUID_B},{UUID_A}", [UUID_B, UUID_A]),
        ("GPU-8932", ["GPU-8932"]),
        ("MIG-6f9c4a9e-5f2a-5c1e-8d1f-000000000001", ["MIG-6f9c4a9e-5f2a-5c1e-8d1f-000000000001"]),
    ],
)
def test_it_prints_the_addresses_that_placement_finds_again(
    tmp_path: Path, visible: str | None, expected: list[str]
) -> None:
    found = discover(tmp_path, TWO_GPUS, visible)
    assert (found.returncode, found.stderr) == (0, "")
    assert json.loads(found.stdout) == {"name": "gpu", "addresses": expected}
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert [cuda_index([address], environment) for address in expected] == list(range(len(expected)))


@pytest.mark.parametrize(
    ("nvidia_smi", "visible", "complaint"),
    [
        (None, None, "no nvidia-smi on the PATH"),
        ("echo 'No devices were found'; exit 6", None, "nvidia-smi failed: No devices were found"),
        ("exit 0", None, "no GPU to be seen"),
        (TWO_GPUS, "", "no GPU to be seen"),
        (TWO_GPUS, "7", "CUDA_VISIBLE_DEVICES=7: nvidia-smi lists no 7"),
        (TWO_GPUS, "0,-1", "nvidia-smi lists no -1"),
        (TWO_GPUS, "GPU-ffff", "nvidia-smi lists no GPU-ffff"),
    ],
)
def test_where_there_is_no_gpu_it_says_why_and_fails(
    tmp_path: Path, nvidia_smi: str | None, visible: str | None, complaint: str
) -> None:
    found = discover(tmp_path, nvidia_smi, visible)
    assert found.returncode == 1
    assert found.stdout == ""
    assert found.stderr.startswith("gpus.sh: ")
    assert complaint in found.stderr
