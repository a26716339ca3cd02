"""`cardio-ner evaluate` on the notes with gold: tables, JSON, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cardio_ner.cli import app
from cardio_ner.corpus.brat import read_brat, write_brat
from cardio_ner.document import DISEASE, Span

GOLD = Path(__file__).parents[2] / "examples/gold"


def evaluate(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["evaluate", "--gold", str(GOLD), *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def found(tmp_path: Path) -> Path:
    """The gold mentions, but for one that is cut short, one that is gone and one that is new."""
    for language in ("es", "en", "it"):
        documents = read_brat(GOLD / language, language=language)
        if language == "es":
            document = documents[0]
            first, second, *others = document.spans
            cut, new = Span(first.start, first.end - 1, first.entity_type), Span(0, 1, DISEASE)
            documents[0] = document.with_spans([cut, new, *others])
            assert [document.mention(span) for span in (first, second)] == ["HTA", "DM2"]
        write_brat(documents, tmp_path / language)
    return tmp_path


def test_the_numbers_and_the_mistakes_are_all_in_json(found: Path) -> None:
    told = json.loads(evaluate("--spans", str(found), "--json"))
    assert told["documents_without_gold"] == 0
    assert [(row["language"], row["entity_type"], row["documents"]) for row in told["scores"]] == [
        ("en", "MEDICATION", 12),
        ("es", "DISEASE", 2),
        ("es", "MEDICATION", 2),
        ("it", "MEDICATION", 12),
    ]
    diseases = told["scores"][1]
    assert diseases["strict"] == {
        "gold": 30, "found": 30, "right": 28, "precision": 0.9333, "recall": 0.9333, "f1": 0.9333,
    }  # fmt: skip
    assert diseases["official"] == diseases["strict"]
    assert diseases["mistakes"] == {"boundary": 1, "type": 0, "missed": 1, "spurious": 1}
    assert [(m["kind"], m["gold"], m["found"], m["times"]) for m in told["frequent_mistakes"]] == [
        ("boundary", "hta", "ht", 1),
        ("missed", "dm2", None, 1),
        ("spurious", None, "v", 1),
    ]


def test_the_tables_say_the_same(found: Path) -> None:
    rows = [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in evaluate("--spans", str(found)).splitlines()
        if line.startswith("│")
    ]
    percent = ["93.33"] * 6
    assert ["es", "DISEASE", "2", "30", "30", "28", *percent] in rows
    assert ["es", "DISEASE", "1", "0", "1", "1"] in rows
    assert ["es", "DISEASE", "boundary", "hta", "ht", "1"] in rows


def test_a_job_s_output_is_scored_on_the_documents_that_have_gold(notes_output: Path) -> None:
    told = json.loads(evaluate("--spans", str(notes_output), "--json", "--top", "0"))
    assert told["documents_without_gold"] == 10
    assert told["frequent_mistakes"] == []
    assert all(row["strict"]["f1"] > 0.5 for row in told["scores"])
    shown = evaluate("--spans", str(notes_output), "--top", "0", "--type", DISEASE)
    assert "10 documents have no gold and were not scored." in shown
    assert "MEDICATION" not in shown
    assert "The most frequent" not in shown


@pytest.mark.parametrize("side", ["--gold", "--spans"])
def test_a_folder_that_is_not_there_is_named(side: str, found: Path) -> None:
    sides = {"--gold": str(GOLD), "--spans": str(found)} | {side: "/nowhere"}
    result = CliRunner().invoke(app, ["evaluate", *(word for pair in sides.items() for word in pair)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: /nowhere: no such folder")


def test_a_type_that_neither_side_has_is_an_error_and_no_perfect_score(found: Path) -> None:
    result = CliRunner().invoke(
        app, ["evaluate", "--gold", str(GOLD), "--spans", str(found), "--type", "disease", "--type", DISEASE]
    )
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--type disease: neither side has a mention of this type" in result.stderr
    assert "(DISEASE, MEDICATION)" in result.stderr
    told = json.loads(evaluate("--spans", str(found), "--type", DISEASE, "--json"))
    assert [row["language"] for row in told["scores"]] == ["es"]  # of the others nothing is known


def test_types_that_the_sides_name_differently_are_said_and_not_just_scored_as_nothing(
    found: Path, tmp_path: Path
) -> None:
    gold = tmp_path / "gold/es"
    write_brat(read_brat(found / "es", language="es"), gold)
    for path in gold.glob("*.ann"):
        path.write_text(path.read_text().replace("\tDISEASE ", "\tDisease "))
    said = (
        "type Disease: the other side has no mention of it, its types are DISEASE, MEDICATION: expected the same names"
    )
    for more in ([], ["--json"]):
        result = CliRunner().invoke(app, ["evaluate", "--gold", str(gold), "--spans", str(found / "es"), *more])
        assert result.exit_code == 0
        assert result.stderr.startswith(f"warning: {said}")
        assert result.stderr.count("\n") == 1
    same = CliRunner().invoke(app, ["evaluate", "--gold", str(gold), "--spans", str(gold)])
    assert (same.exit_code, same.stderr) == (0, "")
