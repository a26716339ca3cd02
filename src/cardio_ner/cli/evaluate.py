"""`cardio-ner evaluate --gold DIR --spans DIR`: how good mentions are, and what goes wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardio_ner.document import DISEASE, LANGUAGES, MEDICATION

if TYPE_CHECKING:
    from rich.table import Table

    from cardio_ner.evaluation import Score
    from cardio_ner.report.comparison import Comparison, TaskResult


def evaluate(
    gold: Annotated[Path, typer.Option(help="A brat folder; folders in it named es, en, it say the language")],
    spans: Annotated[Path, typer.Option(help="A brat folder of the same texts, or the --output folder of the job")],
    language: Annotated[
        str | None,
        typer.Option(help="Of all the documents; default: as folders or tables say", autocompletion=lambda: LANGUAGES),
    ] = None,
    entity_type: Annotated[
        list[str] | None,
        typer.Option(
            "--type",
            help="A type to score, once for each; default: those of gold",
            autocompletion=lambda: (DISEASE, MEDICATION),
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=0, help="How many mistakes to show of each kind, language and type")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object in place of tables")] = False,
) -> None:
    """Score mentions against gold ones: strict and official rule, mistakes by kind, the most frequent ones."""
    from cardio_ner.report.comparison import compare, lone_types
    from cardio_ner.report.sides import read_sides

    sides = read_sides(gold, spans, language=language)
    comparison = compare(sides.gold, sides.found, entity_types=entity_type or (), top=top)
    for line in lone_types(comparison, sides.gold, sides.found):
        typer.echo(f"warning: {line}", err=True)
    if as_json:
        typer.echo(json.dumps(_as_json(comparison, sides.n_without_gold), ensure_ascii=False, indent=1))
    else:
        _print_tables(comparison, sides.n_without_gold)


def _print_tables(comparison: Comparison, n_without_gold: int) -> None:
    from cardio_ner.report.terminal import open_console

    console = open_console()
    for table in _tables(comparison):
        console.print(table)
    if n_without_gold:
        console.print(f"{n_without_gold} documents have no gold and were not scored.")


def _as_json(comparison: Comparison, n_without_gold: int) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "documents_without_gold": n_without_gold,
        "scores": [
            {
                "language": result.language,
                "entity_type": result.entity_type,
                "documents": result.n_documents,
                "strict": _ratios(result.strict),
                "official": _ratios(result.official),
                "mistakes": result.mistakes,
            }
            for result in comparison.results
        ],
        "frequent_mistakes": [asdict(mistake) for mistake in comparison.frequent],
    }


def _ratios(score: Score) -> dict[str, float]:
    return {
        "gold": score.n_gold,
        "found": score.n_predicted,
        "right": score.true_positives,
        "precision": round(score.precision, 4),
        "recall": round(score.recall, 4),
        "f1": round(score.f1, 4),
    }


def _tables(comparison: Comparison) -> list[Table]:
    from cardio_ner.mistakes import KINDS
    from cardio_ner.report.terminal import table_of

    results = comparison.results
    ratios = ("P", "R", "F1", "official P", "official R", "official F1")
    tables = [
        table_of(
            ("language", "type", "documents", "gold", "found", "right", *ratios),
            [_score_row(result) for result in results],
            title="Strict scores, in percent",
            right=ratios,
        ),
        table_of(
            ("language", "type", *KINDS),
            [(result.language, result.entity_type, *(result.mistakes[kind] for kind in KINDS)) for result in results],
            title="Mistakes by kind",
        ),
    ]
    if comparison.frequent:
        rows = [(m.language, m.entity_type, m.kind, m.gold, m.found, m.times) for m in comparison.frequent]
        columns = ("language", "type", "kind", "gold", "found", "times")
        tables.append(table_of(columns, rows, title="The most frequent of each kind"))
    return tables


def _score_row(result: TaskResult) -> tuple[object, ...]:
    strict, official = result.strict, result.official
    ratios = (strict.precision, strict.recall, strict.f1, official.precision, official.recall, official.f1)
    counts = (strict.n_gold, strict.n_predicted, strict.true_positives)
    return result.language, result.entity_type, result.n_documents, *counts, *(f"{100 * ratio:.2f}" for ratio in ratios)
