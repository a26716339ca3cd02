"""The results as a page and a picture. Both follow from the JSON alone; no number is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from comparison.figures import Spread
from comparison.summary import Line, goals, lines


def markdown(results: dict[str, Any], picture: str) -> str:
    """The page."""
    machine = results["machine"]
    flags = ", ".join(machine["flags"]) or "none of those that matter"
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    peers = ", ".join(f"{name} {number}" for name, number in results["peer_versions"].items())
    changed = " with changes" if results["changed_since"] else ""
    head = [
        f"# Head to head, {results['date']}",
        "",
        f"- Processor: {machine['cpu']} ({flags}), {machine['cores']} cores, {machine['memory_gib']} GiB; "
        f"{results['cores']} used",
        f"- Precision of ours: {', '.join(sorted({part['children']['bare']['dtype'] for part in results['parts']}))}",
        f"- Versions: {versions}; peers' environment: {peers or 'none'}",
        f"- Command: `{results['command']}`, commit {results['git_commit'][:12]}{changed}",
        *(f"- Not run: {name}: {reason}" for name, reason in results["not_run"].items()),
        "",
        "Medians of interleaved rounds, (least to most); × is the median of the ratios within each round. Words are",
        "what white space parts; document tokens count once, window tokens with overlap and special tokens. How it is",
        "measured: [benchmarks/README.md](../README.md).",
        "",
        f"![Words per second]({picture})",
    ]
    return "\n".join([*head, *(line for part in results["parts"] for line in _part(part))]) + "\n"


def _part(part: dict[str, Any]) -> list[str]:
    corpus = part["corpus"]
    columns = ("", "seconds", "words/s", "document tokens/s", "window tokens/s", "GFLOP/s", "job is ×", "Tagger is ×")
    return [
        "",
        f"## {part['name']}",
        "",
        f"{corpus['name']}: {corpus['documents']} documents, {corpus['words']:,} words, {corpus['tokens']:,} document "
        f"tokens, {corpus['window_tokens']:,} window tokens (windows of {part['window_tokens']}, overlap "
        f"{part['overlap_tokens']}); {len(part['contenders'][0]['rounds'])} rounds.",
        "",
        *_table(columns, [_cells(line) for line in lines(part)]),
        "",
        *_table(
            ("goal", "aimed at", "measured", ""),
            [
                (
                    goal.name,
                    f"≥ {goal.aimed_at:g}",
                    _spread(goal.measured, ".2f"),
                    _verdict(goal.measured, goal.aimed_at),
                )
                for goal in goals(part)
            ],
        ),
        "",
        *_table(
            ("mentions, beside Tagger.tag", "the same", "other ends", "only Tagger's", "only theirs"),
            [(name, *map(str, counts.values())) for name, counts in part["agreement_with_tagger"].items()],
        ),
        "",
        *_sweeps(part["sweep_seconds"]),
        "Start-up, seconds to the first answer: " + _startups(part["children"]) + ".",
        f"While one ran, all others together took at most {_others(part):.1%} of the cores.",
    ]


def _cells(line: Line) -> tuple[str, ...]:
    return (
        line.name,
        _spread(line.seconds, ",.1f"),
        _spread(line.words_per_second, ",.0f"),
        _spread(line.tokens_per_second, ",.0f"),
        _spread(line.window_tokens_per_second, ",.0f"),
        _spread(line.gflops_per_second, ",.0f"),
        _spread(line.job_is_faster, ".2f"),
        _spread(line.tagger_is_faster, ".2f"),
    )


def _spread(spread: Spread | None, form: str) -> str:
    if spread is None:
        return ""
    return f"{spread.median:{form}} ({spread.least:{form}} to {spread.most:{form}})"


def _verdict(measured: Spread, aimed_at: float) -> str:
    return "reached" if measured.median >= aimed_at else "not reached"


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (columns, ["---"] * len(columns), *rows)]


def _sweeps(sweeps: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    told = []
    for child, by_precision in sweeps.items():
        for precision, times in by_precision.items():
            seconds = ", ".join(f"{size}: {time:.1f}" for size, time in times.items())
            told += [f"Batch sizes tried on a part of the documents, {child} in {precision}, seconds: {seconds}.", ""]
    return told


def _startups(children: dict[str, dict[str, Any]]) -> str:
    return ", ".join(f"{label} {facts['startup_seconds']:.1f}" for label, facts in children.items())


def _others(part: dict[str, Any]) -> float:
    return max(float(round_["others_cpu"]) for contender in part["contenders"] for round_ in contender["rounds"])


def draw(results: dict[str, Any], path: Path) -> None:
    """Words per second of all that tags, by part; least to most as a line."""
    from matplotlib.figure import Figure

    parts = results["parts"]
    shown = [[line for line in lines(part) if line.words_per_second is not None] for part in parts]
    figure = Figure(figsize=(9, 1.2 + 0.36 * sum(map(len, shown))), layout="constrained")
    axes = figure.subplots(len(parts), 1, squeeze=False, height_ratios=[len(each) for each in shown])[:, 0]
    for part, its_lines, axis in zip(parts, shown, axes, strict=True):
        spreads = [line.words_per_second for line in its_lines if line.words_per_second is not None]
        medians = [spread.median for spread in spreads]
        errors = [
            [spread.median - spread.least for spread in spreads],
            [spread.most - spread.median for spread in spreads],
        ]
        axis.barh([line.name for line in its_lines], medians, xerr=errors, color="#3b6ea5", ecolor="#222222")
        axis.invert_yaxis()
        axis.set_title(part["name"], loc="left")
        axis.set_xlabel("words per second")
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
