"""What growth.py found, as Markdown and as a picture.

Contract: figures are medians over the runs of one kind (documents, cores, long note); ratios are to the smallest size
on as many cores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from conditions import markdown_table
from growth_run import SMALL_NOTES, Run
from process_usage import ROLES, Role

Kind = Sequence[Run]
"""Runs over the same notes with as many cores."""


def sections(kinds: Sequence[Kind]) -> list[str]:
    """The report's paragraphs and tables."""
    grown = [kind for kind in kinds if not kind[0].long_note_bytes and kind[0].cores == _most_cores(kinds)]
    return [
        "Each run in processes of its own. Start-up is apart; what a document costs is what a run takes beyond one "
        f"over {SMALL_NOTES} notes just before and after it, divided among the other documents. Figures are medians.",
        "## Time per document",
        _time_table(grown),
        "## Peak memory (the largest process of each kind)",
        _memory_table([*grown, *(kind for kind in kinds if kind[0].long_note_bytes)]),
        "## Cores",
        *_cores_sentences(kinds),
        "## Start-up",
        _startup_table(grown),
    ]


def of(kind: Kind, figure: Callable[[Run], float]) -> float:
    """The median of a figure."""
    return median(figure(run) for run in kind)


def _most_cores(kinds: Sequence[Kind]) -> int:
    return max(kind[0].cores for kind in kinds)


def _time_table(grown: Sequence[Kind]) -> str:
    least = grown[0]
    rows = []
    for kind in grown:
        seconds, processor = _per_document(kind)
        rows.append(
            [
                f"{kind[0].documents:,}",
                f"{len(kind)}",
                f"{of(kind, lambda run: run.seconds):.1f}",
                f"{of(kind, lambda run: run.small_seconds):.1f}",
                f"{seconds * 1e3:.3f}",
                f"{seconds / _per_document(least)[0]:.3f}",
                f"{processor * 1e3:.3f}",
                f"{processor / _per_document(least)[1]:.3f}",
                f"{of(kind, lambda run: run.words / run.documents / run.seconds_per_document):,.0f}",
            ]
        )
    heads = [
        "documents",
        "runs",
        "s",
        f"s of {SMALL_NOTES} notes",
        "ms/document",
        "ratio",
        "processor ms/document",
        "ratio",
        "words/s",
    ]
    return markdown_table(heads, rows)


def _per_document(kind: Kind) -> tuple[float, float]:
    """Seconds and processor seconds."""
    return of(kind, lambda run: run.seconds_per_document), of(kind, lambda run: run.processor_seconds_per_document)


def _memory_table(kinds: Sequence[Kind]) -> str:
    def peak(kind: Kind, role: Role) -> str:
        return f"{max(run.peaks_bytes.get(role, 0) for run in kind) / 2**20:,.0f}"

    rows = [
        [
            _name(kind),
            *(peak(kind, role) for role in ROLES),
            f"{max(run.live_heap_bytes for run in kind) / 2**20:,.0f}",
        ]
        for kind in kinds
    ]
    heads = ["documents", "driver's Python, MB", "JVM, MB", "Python daemon, MB", "largest worker, MB"]
    return markdown_table([*heads, "heap in use after the run, MB"], rows)


def _name(kind: Kind) -> str:
    long = kind[0].long_note_bytes
    return f"{kind[0].documents:,}" + (f", one of {long / 1e6:.0f} MB" if long else "")


def _cores_sentences(kinds: Sequence[Kind]) -> list[str]:
    """What more cores brought, where both were measured."""
    found = []
    for one in kinds:
        for more in kinds:
            if one[0].documents == more[0].documents and one[0].cores == 1 < more[0].cores:
                # The largest size runs once, and may be the one that one core runs in every round.
                rounds = zip(one, more, strict=False)
                ratios = [a.seconds_per_document / b.seconds_per_document for a, b in rounds]
                found.append(
                    f"{one[0].documents:,} documents: {more[0].cores} cores were {median(ratios):.2f} times as fast "
                    f"as one ({min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)} interleaved rounds)."
                )
    return found or ["One core alone was not measured."]


def _startup_table(grown: Sequence[Kind]) -> str:
    runs = [run for kind in grown for run in kind]
    names = list(runs[0].startup_seconds)
    seconds = [of(runs, lambda run, name=name: run.startup_seconds[name]) for name in names]  # type: ignore[misc]
    return markdown_table(
        ["since the process began", "s"], [[n, f"{s:.1f}"] for n, s in zip(names, seconds, strict=True)]
    )


def picture(kinds: Sequence[Kind], file: Path) -> None:
    """Time per document over documents; memory over time in the largest run."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    grown = [kind for kind in kinds if not kind[0].long_note_bytes and kind[0].cores == _most_cores(kinds)]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    documents = [kind[0].documents for kind in grown]
    for place, label in enumerate(("elapsed", "of the processors")):
        left.plot(documents, [_per_document(kind)[place] * 1e3 for kind in grown], marker="o", label=label)
    left.set(xscale="log", ylim=(0, None), xlabel="documents", ylabel="ms a document")
    largest = grown[-1][0]
    for role in ROLES:
        seconds = [moment.seconds for moment in largest.moments]
        right.plot(seconds, [m.resident_bytes.get(role, 0) / 2**20 for m in largest.moments], label=role)
    title = f"{largest.documents:,} documents"
    right.set(ylim=(0, None), xlabel="seconds of the run", ylabel="resident MB, all processes of a kind", title=title)
    for axes in (left, right):
        axes.legend()
        axes.grid(alpha=0.3)
    figure.savefig(file, dpi=120)
    plt.close(figure)
