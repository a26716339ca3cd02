"""The command that scores: what it says of a fold, and what it needs to be told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import evaluate
from cardio_ner.checkpoint import MANIFEST
from cardio_ner.corpus.brat import write_brat
from cardio_ner.document import DISEASE, MEDICATION, Document, Span
from cardio_training.judging import score_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")
LEARNT = "documents that it has learnt, or may have"


def asked() -> dict[str, object]:
    """The command's options where nobody gives any."""
    return {
        "language": None, "fold": 0, "data": None, "brat": None, "written": None, "boundaries": None, "tidied": None,
        "device": "cpu", "precision": "fp32", "by_shape": False,
    }  # fmt: skip


def scored(
    checkpoint: Path, json_file: Path, capsys: pytest.CaptureFixture[str], **options: object
) -> tuple[str, dict]:
    """What the command prints, and what it writes."""
    evaluate.main(str(checkpoint), **(asked() | options), json_file=json_file)
    return " ".join(capsys.readouterr().out.split()), json.loads(json_file.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("training_data", "fair"),
    [({"held_out_fold": 0}, True), ({"held_out_fold": 1}, False), ({"held_out_fold": None}, False), ({}, False)],
)
def test_a_fold_that_was_learnt_is_called_so(
    training_data: dict[str, object],
    fair: bool,
    checkpoint_copy: Path,
    official_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    manifest = json.loads((checkpoint_copy / MANIFEST).read_text(encoding="utf-8"))
    (checkpoint_copy / MANIFEST).write_text(json.dumps(manifest | {"training_data": training_data}), encoding="utf-8")
    printed, written = scored(checkpoint_copy, tmp_path / "scores.json", capsys, data=official_data)
    assert (LEARNT not in printed, LEARNT not in written["data"]) == (fair, fair)
    assert {(score["language"], score["entity_type"]) for score in written["scores"]} == {
        ("es", "DISEASE"), ("es", "MEDICATION"), ("en", "MEDICATION"), ("it", "MEDICATION"),
    }  # fmt: skip


@pytest.fixture
def uneven_data(official_data: Path, tmp_path: Path) -> Path:
    """The corpus without the Italian documents of fold 0."""
    data = Path(shutil.copytree(official_data, tmp_path / "data"))
    for name in ("case006", "case011"):
        for file in (data / "multicardioner/track2/cardioccc_dev/it/brat").glob(f"{name}.*"):
            file.unlink()
    return data


def test_a_language_without_a_document_in_the_fold_has_no_score(checkpoint_copy: Path, uneven_data: Path) -> None:
    assert set(score_checkpoint(checkpoint_copy, 0, uneven_data)) == {"es/DISEASE", "es/MEDICATION", "en/MEDICATION"}
    assert set(score_checkpoint(checkpoint_copy, 1, uneven_data)) > {"it/MEDICATION"}


def test_a_fold_without_a_document_in_a_language_is_not_scored_in_it(
    checkpoint_copy: Path, uneven_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for languages in (None, ["it"]):
        with pytest.raises(SystemExit, match="2"):
            scored(checkpoint_copy, tmp_path / "scores.json", capsys, data=uneven_data, language=languages)
        assert "fold 0 of cardioccc_dev has no document in it: expected some; give an" in capsys.readouterr().err
    _, written = scored(checkpoint_copy, tmp_path / "scores.json", capsys, data=uneven_data, language=["en"])
    assert [score["language"] for score in written["scores"]] == ["en"]


def test_a_model_that_names_no_language_needs_one(
    hub_checkpoint: Path, official_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        scored(hub_checkpoint, tmp_path / "scores.json", capsys, data=official_data)
    assert "its manifest names no language: expected --language" in capsys.readouterr().err


def test_types_that_nobody_annotated_are_told_in_place_of_an_empty_table(
    hub_checkpoint: Path, official_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        scored(hub_checkpoint, tmp_path / "scores.json", capsys, data=official_data, language=["es"])
    assert "it finds DISO, DRUG, which nobody annotated in the documents in es: expected" in capsys.readouterr().err
    assert not (tmp_path / "scores.json").exists()


def test_a_brat_folder_is_scored_in_one_language(
    two_group_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_brat([Document("a", "es", "infarto agudo").with_spans([Span(0, 13, DISEASE)])], tmp_path / "brat")
    with pytest.raises(SystemExit, match="2"):
        scored(two_group_checkpoint, tmp_path / "scores.json", capsys, brat=tmp_path / "brat")
    assert "brat: its texts are of one language, not of es, en, it: expected one --language" in capsys.readouterr().err
    options = {"brat": tmp_path / "brat", "language": ["es"]}
    printed, written = scored(two_group_checkpoint, tmp_path / "scores.json", capsys, **options)
    assert [score["language"] for score in written["scores"]] == ["es", "es"]
    assert LEARNT not in printed


def test_a_type_that_gold_lacks_or_calls_differently_is_warned_of(
    two_group_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"brat": tmp_path / "brat", "language": ["es"]}
    for types, lone in (([DISEASE, MEDICATION], []), ([DISEASE, "DRUG"], [MEDICATION]), ([], [])):
        spans = [Span(9 * place, 9 * place + 8, name) for place, name in enumerate(types)]
        write_brat([Document("a", "es", "aspirina heparina").with_spans(spans)], tmp_path / "brat")
        evaluate.main(str(two_group_checkpoint), **(asked() | options), json_file=None)
        told = capsys.readouterr().err
        assert [name for name in (DISEASE, MEDICATION) if f"warning: type {name}: gold has no mention" in told] == lone
        assert not lone or "its types are DISEASE, DRUG" in told


def test_scores_that_could_not_be_written_are_not_taken(
    two_group_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate.Tagger, "load", None)
    for file in (tmp_path / "nowhere/scores.json", tmp_path):
        with pytest.raises(SystemExit, match="2"):
            scored(two_group_checkpoint, file, capsys, language=["es"], brat=tmp_path)
        assert f"--json {file}: expected a file in a folder that is there" in capsys.readouterr().err


def test_notes_of_a_fold_are_scored_by_the_types_that_are_annotated_in_them(
    two_group_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"línea {n}: {{MEDICATION}}" for n in range(5)]  # a fold has one: each note is it
    file = {"language": "es", "mentions": {"MEDICATION": list("abcde")}, "lines": lines}
    path = tmp_path / "es.yaml"
    path.write_text(json.dumps(file), encoding="utf-8")
    options = {"written": path, "language": ["es"], "fold": 2}
    printed, written = scored(two_group_checkpoint, tmp_path / "scores.json", capsys, **options)
    assert [(score["entity_type"], score["gold"]) for score in written["scores"]] == [("MEDICATION", 300)]
    assert "300 notes of" in printed
    assert "names and lines of fold 2 of 5" in written["data"]
    assert LEARNT not in printed
    assert "which it has learnt" not in printed
    for wrong in ({"language": ["it"]}, {"brat": tmp_path}, {"language": None}, {"fold": 7}):
        with pytest.raises(SystemExit, match="2"):
            scored(two_group_checkpoint, tmp_path / "scores.json", capsys, **(options | wrong))
    told = " ".join(capsys.readouterr().err.split())
    assert "es.yaml: notes in es: expected --language es" in told
    assert "--brat and --written: expected at most one" in told
