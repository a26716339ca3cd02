"""One encoder's part of the benchmark: children started, best batches found, rounds interleaved, mentions compared.

Contract
- Rounds go A B C…, A B C…: whatever slows the machine for a while slows all.
- The best batch of a peer is the fastest over a quarter of the documents, once each, in this run.
- `run_part` gives plain values, as the JSON has them; what is derived from them is in `summary`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

from candidates.protocol import Task, read_found
from cardio_ner.checkpoint import Checkpoint
from cardio_ner.document import Document
from comparison.children import Child
from comparison.corpus import Source, sizes, write_corpus
from comparison.figures import Agreement

BARE_KINDS = ("forward", "matrices")
AS_WRITTEN = "fp32 x 1"
RECIPE_WINDOWS = (1, 4, 8, 16, 32)
EDS_DOCUMENTS = (1, 4, 16)
SAMPLE_SHARE = 4
"""The sweep sees one in so many documents."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is measured, and with what."""

    rounds: int
    seconds: float
    documents: int | None
    cores: int
    precisions: tuple[str, ...]
    """Of the peers: bf16 only where the chip multiplies it."""
    peers: str | None
    """The Python that has EDS-NLP."""
    conf: Path

    def with_share(self, share: int) -> Settings:
        """With one in so many documents, where their number is given."""
        if self.documents is None:
            return self
        return replace(self, documents=max(self.cores, self.documents // share))


@dataclass(frozen=True, slots=True)
class Part:
    """An encoder, and beside it a checkpoint whose vocabulary is another (or none)."""

    name: str
    checkpoint: Checkpoint
    own_vocabulary: Path | None = None


@dataclass(frozen=True, slots=True)
class Contender:
    """One line of the table: a child and what it is asked."""

    name: str
    child: str
    variant: str


class Measurement:
    """The children of a part and their corpora, while they run."""

    def __init__(self, part: Part, source: Source, settings: Settings, scratch: Path, say: Callable[[str], None]):
        self.part, self.source, self.settings, self.scratch, self.say = part, source, settings, scratch, say
        self.warm_up = self.corpus("warm-up", source.excerpts(settings.cores))
        self.children: dict[str, Child] = {}
        self.facts: dict[str, dict[str, Any]] = {}

    def corpus(self, name: str, documents: Sequence[Document]) -> str:
        """The documents' folder."""
        return write_corpus(self.scratch / name, documents, cores=self.settings.cores)

    def start(self, stack: ExitStack) -> None:
        """Start all children, one after the other."""
        ours = self.part.checkpoint.folder
        self._start(stack, "tagger", "tagger", ours)
        self._start(stack, "job", "job", ours)
        self._start(stack, "bare", "bare", ours)
        self._start(stack, "recipe", "recipe", ours)
        if self.part.own_vocabulary:
            self._start(stack, "own vocabulary", "recipe", self.part.own_vocabulary)
        if self.settings.peers:
            self._start(stack, "eds", "eds", ours, python=self.settings.peers)

    def _start(self, stack: ExitStack, label: str, candidate: str, checkpoint: Path, **python: str) -> None:
        self.say(f"{self.part.name}: starting {label}")
        manifest = self.part.checkpoint.manifest
        task = Task(
            checkpoint=str(checkpoint),
            window_tokens=manifest.window_tokens,
            overlap_tokens=manifest.overlap_tokens,
            cores=self.settings.cores,
            warm_up=self.warm_up,
            scratch=str(self.scratch),
            conf=str(self.settings.conf),
        )
        self.children[label] = stack.enter_context(Child.start(candidate, task, label=label, **python))
        self.facts[label] = self.children[label].facts()

    def run(self, contender: Contender, corpus: str) -> dict[str, Any]:
        """One round of a contender; `others_cpu` is the share of the cores that all other children took meanwhile."""
        others = [child for label, child in self.children.items() if label != contender.child]
        before = sum(child.cpu_seconds() for child in others)
        done = self.children[contender.child].run(contender.variant, corpus, self.found(contender))
        used = sum(child.cpu_seconds() for child in others) - before
        self.say(f"{self.part.name}: {contender.name}, {done['seconds']:.1f} s")
        return done | {"others_cpu": used / done["seconds"] / self.settings.cores}

    def found(self, contender: Contender) -> Path:
        """Where its mentions of the latest round are."""
        return self.scratch / f"{contender.child} {contender.variant}.jsonl"

    def n_documents(self) -> int:
        """As many as the Tagger reads in the seconds asked for, unless the number is given."""
        if self.settings.documents:
            return self.settings.documents
        few = self.corpus("calibration", self.source.take(2 * self.settings.cores))
        done = self.run(Contender("calibration", "tagger", "all"), few)
        wanted = ceil(self.settings.seconds / float(done["seconds"]) * int(done["documents"]))
        return max(wanted, self.settings.cores)

    def sweep(self, child: str, batches: Sequence[int], sample: str) -> dict[str, dict[str, float]]:
        """Seconds over the sample by precision and batch size; nothing where the child was not started."""
        if child not in self.children:
            return {}
        times: dict[str, dict[str, float]] = {}
        for precision in self.settings.precisions:
            for size in batches:
                variant = f"{precision} x {size}"
                done = self.run(Contender(f"{child}, {variant}", child, variant), sample)
                times.setdefault(precision, {})[str(size)] = done["seconds"]
        return times


def run_part(
    part: Part, source: Source, settings: Settings, *, scratch: Path, say: Callable[[str], None]
) -> dict[str, Any]:
    """Measure one encoder."""
    with ExitStack() as stack:
        measurement = Measurement(part, source, settings, scratch, say)
        measurement.start(stack)
        n_documents = measurement.n_documents()
        documents = source.take(n_documents)
        corpus = measurement.corpus("corpus", documents)
        sample = measurement.corpus("sample", documents[: max(settings.cores, n_documents // SAMPLE_SHARE)])
        sweeps = {
            "recipe": measurement.sweep("recipe", RECIPE_WINDOWS, sample),
            "eds": measurement.sweep("eds", EDS_DOCUMENTS, sample),
        }
        contenders = contenders_of(part, measurement.facts["bare"]["layouts"], sweeps)
        rounds = [[measurement.run(each, corpus) for each in contenders] for _ in range(settings.rounds)]
        agreements = _agreements(measurement, contenders)
    return {
        "name": part.name,
        "corpus": {"name": source.name, **sizes(documents), **_tokens(contenders, rounds[0])},
        "window_tokens": part.checkpoint.manifest.window_tokens,
        "overlap_tokens": part.checkpoint.manifest.overlap_tokens,
        "children": measurement.facts,
        "sweep_seconds": sweeps,
        "contenders": [
            asdict(contender) | {"rounds": [round_[at] for round_ in rounds]} for at, contender in enumerate(contenders)
        ],
        "agreement_with_tagger": agreements,
    }


def contenders_of(
    part: Part, layouts: Sequence[str], sweeps: dict[str, dict[str, dict[str, float]]]
) -> list[Contender]:
    """The lines of the table, in the order in which they run."""
    contenders = [
        *(Contender(f"{kind}, {layout}", "bare", f"{kind} {layout}") for layout in layouts for kind in BARE_KINDS),
        Contender("Tagger.tag", "tagger", "all"),
        Contender("the Spark job", "job", "all"),
        Contender("recipe as written, fp32, one window at a time", "recipe", AS_WRITTEN),
    ]
    units = {"recipe": "windows", "eds": "documents"}
    for child, by_precision in sweeps.items():
        for precision, times in by_precision.items():
            best = min(times, key=times.__getitem__)
            name = {"recipe": "recipe", "eds": "EDS-NLP"}[child]
            line = f"{name} at its best, {precision}, {best} {units[child]} a batch"
            contenders.append(Contender(line, child, f"{precision} x {best}"))
    if part.own_vocabulary:
        contenders.append(Contender("recipe as written, MiniLM's own vocabulary", "own vocabulary", AS_WRITTEN))
    return contenders


def _tokens(contenders: Sequence[Contender], round_: Sequence[dict[str, Any]]) -> dict[str, int]:
    """The corpus' tokens as the Tagger counted them."""
    [done] = [done for contender, done in zip(contenders, round_, strict=True) if contender.child == "tagger"]
    return {name: done[name] for name in ("tokens", "window_tokens")}


def _agreements(measurement: Measurement, contenders: Sequence[Contender]) -> dict[str, dict[str, int]]:
    """The Tagger's mentions beside those of the job and of the recipe with the same checkpoint."""
    [tagger] = [contender for contender in contenders if contender.child == "tagger"]
    ours = read_found(measurement.found(tagger))
    return {
        contender.name: asdict(Agreement.of(ours, read_found(measurement.found(contender))))
        for contender in contenders
        if contender.child in ("job", "recipe")
    }
