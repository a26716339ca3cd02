"""What `cardio-ner doctor` looks at: each check says what it found, and what to do where something does not work.

Contract
- `broken`: something that is there, or that tagging needs, does not work. `off`: it is not there, and only what its
  line names wants it.
- Nothing is changed, no Spark is started, nothing is fetched.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from cardio_ner.document import LANGUAGES, Document
from cardio_ner.errors import CardioNerError

State = Literal["works", "off", "broken"]

LEAST_JAVA = 17
SPARK = "4.3"
"""The line of Spark that the job is tried on, as in the package's extra `spark`."""
JAVA_REMEDY = "install Java 17 or 21 and set JAVA_HOME; in a clone: export JAVA_HOME=$(sh docker/java.sh .venv)"
MODELS_REMEDY = "install the package anew; in a clone: git checkout src/cardio_ner/models (git lfs pull, if it uses it)"
SAMPLE = Document("sample", "es", "Toma bisoprolol 5 mg.")
_JAVA_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's table."""

    name: str
    state: State
    found: str
    remedy: str = ""


def all_checks() -> Iterator[Check]:
    """In the order of what needs what."""
    yield torch()
    yield from checkpoints()
    yield tagging()
    yield cpu()
    yield gpu()
    yield spark()
    yield java()
    yield data()


def torch() -> Check:
    """Does torch load?"""
    try:
        import torch
    except (ImportError, OSError) as error:
        return Check("torch", "broken", f"does not load ({type(error).__name__})", "pip install torch")
    return Check("torch", "works", f"{torch.__version__}, {torch.get_num_threads()} threads")


def checkpoints() -> Iterator[Check]:
    """The checkpoints that ship."""
    from cardio_ner.checkpoint import packaged_model

    for language in LANGUAGES:
        try:
            folder = packaged_model(language)
        except CardioNerError as error:
            yield Check(f"checkpoint {language}", "broken", str(error), MODELS_REMEDY)
        else:
            yield checkpoint(language, folder)


def checkpoint(name: str, folder: Path) -> Check:
    """Is it whole: manifest, labels, weights, digest?"""
    from safetensors import SafetensorError, safe_open

    from cardio_ner.checkpoint import WEIGHTS, Checkpoint

    try:
        opened = Checkpoint.open(folder)
        with safe_open(opened.folder / WEIGHTS, framework="numpy") as weights:
            n_tensors = len(weights.keys())
    except (CardioNerError, SafetensorError, OSError) as error:
        return Check(f"checkpoint {name}", "broken", str(error), MODELS_REMEDY)
    types = ", ".join(opened.scheme.entity_types)
    return Check(f"checkpoint {name}", "works", f"{opened.model_id}: {types}; {n_tensors} tensors")


def tagging() -> Check:
    """Does the Spanish checkpoint find the medication of a short text?"""
    try:
        from cardio_ner.tagger import Tagger

        tagger = Tagger.load(SAMPLE.language)
        (tagged,) = tagger.tag([SAMPLE])
    except (CardioNerError, ImportError, OSError, RuntimeError, ValueError) as error:
        return Check("tagging", "broken", f"{type(error).__name__}: {error}", "see torch and the checkpoints above")
    mentions = [tagged.mention(span) for span in tagged.spans]
    if mentions != ["bisoprolol"]:
        return Check("tagging", "broken", f"found {mentions} in a text that mentions bisoprolol", "install anew")
    return Check("tagging", "works", f"a medication in a Spanish text; {tagger.encoder.engine.describe()}")


def cpu() -> Check:
    """Does the processor multiply bfloat16 in hardware?"""
    try:
        import torch
    except (ImportError, OSError):
        return Check("CPU", "off", "torch would say")
    capabilities = torch.cpu.get_capabilities()
    fast = [name for name in ("amx_bf16", "avx512_bf16") if capabilities.get(name)]
    if fast:
        return Check("CPU", "works", f"{', '.join(fast)}: weights are bfloat16; {os.cpu_count()} cores")
    return Check("CPU", "off", f"neither AMX nor AVX512-BF16: weights are float32, slower; {os.cpu_count()} cores")


def gpu() -> Check:
    """Is there a GPU that torch can use?"""
    try:
        import torch
    except (ImportError, OSError):
        return Check("GPU", "off", "torch would say")
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count())]
        return Check("GPU", "works", ", ".join(names))
    if shutil.which("nvidia-smi"):
        built_for = torch.version.cuda or "the CPU alone"
        return Check(
            "GPU", "off", f"a driver is here, but torch (built for {built_for}) sees none", "pip install a CUDA torch"
        )
    return Check("GPU", "off", "none: the CPU is used")


def spark() -> Check:
    """Is there the Spark that the job was tried on?"""
    try:
        installed = version("pyspark")
    except PackageNotFoundError:
        return Check("Spark", "off", "not installed: only the job needs it", "pip install 'cardio-ner[spark]'")
    home = os.environ.get("SPARK_HOME")
    jars = sorted(Path(home, "jars").glob("spark-core_*.jar")) if home else []
    running = jars[0].stem.rpartition("-")[2] if jars else installed
    if home and not jars:
        return Check("Spark", "broken", f"SPARK_HOME is {home}, where no Spark is", "unset SPARK_HOME, or correct it")
    if not f"{running}.".startswith(f"{SPARK}."):
        return Check("Spark", "broken", f"{running}, tried on {SPARK}", f"pip install 'pyspark~={SPARK}.0'")
    if running != installed:
        return Check(
            "Spark", "broken", f"SPARK_HOME has {running}, Python has pyspark {installed}", "make them the same version"
        )
    return Check("Spark", "works", f"{running}{f' in {home}' if home else ''}")


def java() -> Check:
    """Is there a Java that Spark can use? Spark takes JAVA_HOME's, else the PATH's."""
    home = os.environ.get("JAVA_HOME")
    command = f"{home}/bin/java" if home else shutil.which("java")
    if command is None:
        state: State = "broken" if find_spec("pyspark") else "off"
        return Check("Java", state, "none: only the job needs it", JAVA_REMEDY)
    where = f"JAVA_HOME is {home}" if home else command
    told = _run([command, "-version"])
    match = re.search(r'version "(?:1\.)?(\d+)', told or "")
    if match is None:
        return Check("Java", "broken", f"{where}: no Java that runs", JAVA_REMEDY)
    if int(match[1]) < LEAST_JAVA:
        return Check("Java", "broken", f"{where}: Java {match[1]}, Spark needs {LEAST_JAVA} or later", JAVA_REMEDY)
    if _run([command, "--add-modules=jdk.incubator.vector", "-version"]) is None:
        return Check("Java", "broken", f"{where}: reduced, without jdk.incubator.vector", JAVA_REMEDY)
    return Check("Java", "works", f"{where}: Java {match[1]}")


def _run(command: list[str]) -> str | None:
    """What a program says on both streams; None where it does not run, or not well."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_JAVA_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout + done.stderr


def data() -> Check:
    """Is the corpus of training where CARDIO_NER_DATA says?"""
    from cardio_ner.corpus.multicardioner import DATA_VARIABLE, data_folder
    from cardio_ner.errors import CorpusError

    if not os.environ.get(DATA_VARIABLE):
        return Check(DATA_VARIABLE, "off", "not set: only training needs it")
    try:
        return Check(DATA_VARIABLE, "works", str(data_folder()))
    except CorpusError as error:
        return Check(DATA_VARIABLE, "broken", str(error), f"correct {DATA_VARIABLE}, or unset it")
