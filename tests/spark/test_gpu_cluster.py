"""A cluster whose GPUs are made up by a stand-in for nvidia-smi: each task tags on the GPU that Spark gave it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from processes import PATIENCE

ROOT = Path(__file__).parents[2]


def test_tasks_of_a_cluster_tag_on_the_gpu_that_spark_gave_them(tmp_path: Path) -> None:
    """An executor with two GPUs, two tasks to each; the machine has four GPUs, of which two are visible."""
    nvidia_smi = tmp_path / "nvidia-smi"
    nvidia_smi.write_text("#!/bin/sh\nprintf '%s\\n' '0, GPU-a' '1, GPU-b' '2, GPU-c' '3, GPU-d'\n", encoding="utf-8")
    nvidia_smi.chmod(0o755)
    run = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("gpu_cluster.py")), str(ROOT / "conf/spark/gpus.sh")],
        env=os.environ
        | {
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
            "CUDA_VISIBLE_DEVICES": "3,1",
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_PYTHON": sys.executable,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), *sys.path]),
        },
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    found = [tuple(task) for task in json.loads(run.stdout)]
    assert set(found) == {("3", "cuda:0", 0.5), ("1", "cuda:1", 0.5)}
    assert Counter(found).total() == 8
