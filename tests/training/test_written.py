"""Notes made of lines and names: what is annotated in them, what a fold holds out, and that they are learnt."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cardio_ner.checkpoint import MANIFEST
from cardio_ner.document import DISEASE, MEDICATION, Document
from cardio_ner.errors import ConfigError
from cardio_ner.tokenization import DocumentTokenizer
from cardio_training.dataset import IGNORED, EncodingReport
from cardio_training.provenance import notes_are_unseen
from cardio_training.recipe import Recipe
from cardio_training.run import train
from cardio_training.written import PLACE, WrittenFile, read_written, written_examples

pytestmark = pytest.mark.usefixtures("one_thread")
REPOSITORY = Path(__file__).parents[2]
SHIPPED = sorted((REPOSITORY / "conf/training/written").glob("*.yaml"))
NAMES = [f"farmaco{n}" for n in range(12)]
TINY = {
    "language": "es",
    "mentions": {MEDICATION: NAMES},
    "fillers": {"dose": ["5 mg", "10 mg", "20 mg", "40 mg", "80 mg"]},
    "lines": [
        "Toma {MEDICATION} {dose}.", "- {MEDICATION}\n- {MEDICATION}", "Sin dolor 😀.", "Alta con {dose}.",
        "{MEDICATION}", "Sin fiebre.", "Sigue igual.", "{MEDICATION} y {MEDICATION}", "Revisión.", "Nada más.",
    ],
}  # fmt: skip


def written_file(folder: Path, **changes: object) -> Path:
    path = folder / "es.yaml"
    path.write_text(yaml.safe_dump(TINY | changes, allow_unicode=True), encoding="utf-8")
    return path


def recipe_of(output: Path, base_encoder: object, **changes: object) -> Recipe:
    values: dict[str, object] = {
        "output": output, "base_encoder": str(base_encoder), "languages": ["es"],
        "label_groups": [[DISEASE], [MEDICATION]], "window_tokens": 24, "overlap_tokens": 8,
    }  # fmt: skip
    return Recipe.model_validate(values | changes)


def mentioned(notes: list[Document]) -> set[str]:
    return {note.mention(span) for note in notes for span in note.spans}


@given(seed=st.integers(0, 2**32 - 1), fold=st.integers(0, 4))
def test_the_places_of_names_are_the_mentions_and_a_fold_shares_none(seed: int, fold: int) -> None:
    file = WrittenFile.model_validate(TINY)
    learnt = file.learnt_notes(40, held_out_fold=fold, seed=seed)
    held_out = file.held_out_notes(40, held_out_fold=fold, seed=seed)
    assert mentioned(learnt) <= {name for i, name in enumerate(NAMES) if i % 5 != fold}
    assert mentioned(held_out) <= set(NAMES[fold::5])
    for note in learnt + held_out:
        assert not PLACE.search(note.text)
        assert note.text.count("farmaco") == len(note.spans)
    lines = {line for i, line in enumerate(file.lines) if i % 5 == fold and not PLACE.search(line)}
    assert not any(line in note.text.split("\n") for line in lines for note in learnt)
    assert all(set(note.text.split("\n")).isdisjoint(set(file.lines) - lines) for note in held_out)


def test_without_a_fold_everything_is_learnt_and_a_seed_says_how() -> None:
    file = WrittenFile.model_validate(TINY)
    notes = file.learnt_notes(100, held_out_fold=None, seed=1)
    assert mentioned(notes) == set(NAMES)
    assert notes == file.learnt_notes(100, held_out_fold=None, seed=1)
    assert notes != file.learnt_notes(100, held_out_fold=None, seed=2)
    assert len({note.text for note in notes}) > 90


def test_types_that_the_file_does_not_name_are_not_called_none(tokenizer: DocumentTokenizer, tmp_path: Path) -> None:
    files = [written_file(tmp_path)]
    recipe = recipe_of(tmp_path, "none", written=files, written_notes=30, window_tokens=120)
    report = EncodingReport()
    examples = written_examples(recipe, tokenizer, report)
    assert all((example.tags[0] == IGNORED).all() for example in examples)
    begun = sum(int(np.sum(example.tags[1] == 1)) for example in examples)
    assert begun == report.n_mentions > 30


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"lines": [f"Toma {n} {{DRUG}}." for n in range(5)]}, r"places \['DRUG'\]: expected some of MEDICATION, dose"),
        ({"lines": ["Toma {MEDICATION}."]}, "lines: Tuple should have at least 5 items"),
        ({"mentions": {}}, "mentions: Dictionary should have at least 1 item"),
        ({"language": "fr"}, "language fr: expected one of es, en, it"),
        ({"names": []}, "names: Extra inputs are not permitted"),
        ({"mentions": {MEDICATION: ["a", "b", "c", "d", 5]}}, "MEDICATION.4: Input should be a valid string"),
        ({"mentions": {MEDICATION: ["a", "b", "c", "d", "A"]}}, "'a' stands there twice: expected each once"),
        ({"mentions": {MEDICATION: ["a", "b", "c", "d", " "]}}, "MEDICATION.4: String should match pattern"),
        ({"fillers": {MEDICATION: NAMES, "dose": NAMES}}, "MEDICATION: expected under mentions or under fillers"),
        (
            {"lines": [*TINY["lines"], "Toma FARMACO3, sin más."]},
            r"'farmaco3' stands written out in it, and would be learnt as no mention: put a place there",
        ),
        (
            {"fillers": {"dose": [*"1234", "Farmaco2"]}},
            "'farmaco2' is a mention, and dose has it, which is none",
        ),
        ({"lines": ["x {", "} y", "u {", "} v", "w"]}, "a brace that holds no place: expected them in pairs"),
    ],
)
def test_a_file_that_cannot_be_is_refused(changes: dict[str, object], told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=told):
        read_written(written_file(tmp_path, **changes))


def test_notes_in_a_language_of_no_use_are_refused(tokenizer: DocumentTokenizer, tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, "none", languages=["it"], written=[written_file(tmp_path)])
    with pytest.raises(ConfigError, match=r"es\.yaml: notes in es: expected one of the recipe's languages, it"):
        written_examples(recipe, tokenizer, EncodingReport())


def test_notes_that_would_teach_nothing_are_refused(tokenizer: DocumentTokenizer, tmp_path: Path) -> None:
    groups = {"label_groups": [[DISEASE, MEDICATION]]}
    recipe = recipe_of(tmp_path, "none", written=[written_file(tmp_path)], **groups)
    with pytest.raises(ConfigError, match=r"mentions of MEDICATION: expected all types of a label group, DISEASE\+MED"):
        written_examples(recipe, tokenizer, EncodingReport())


def test_a_fold_that_there_is_not_holds_nothing_out() -> None:
    for fold in (-1, 5):
        with pytest.raises(ConfigError, match=f"fold {fold}: expected 0 to 4"):
            WrittenFile.model_validate(TINY).held_out_notes(3, held_out_fold=fold, seed=0)


def test_a_file_that_has_changed_does_not_go_on(
    two_group_checkpoint: Path, official_data: Path, tmp_path: Path
) -> None:
    path = written_file(tmp_path)
    recipe = recipe_of(tmp_path / "run", two_group_checkpoint, epochs=1, held_out_fold=None, written=[path])
    train(recipe, data=official_data)
    train(recipe, data=official_data)
    begun = tmp_path / "run/run.json"
    told = json.loads(begun.read_text(encoding="utf-8"))
    written_file(tmp_path, language="es", mentions={MEDICATION: NAMES[::-1]})
    with pytest.raises(ConfigError, match=r"es\.yaml has changed since: give another output"):
        train(recipe, data=official_data)
    older = {key: value for key, value in told["recipe"].items() if key not in ("written", "written_notes")}
    begun.write_text(json.dumps({"recipe": older}), encoding="utf-8")
    train(recipe_of(tmp_path / "run", two_group_checkpoint, epochs=1, held_out_fold=None), data=official_data)
    path.unlink()
    with pytest.raises(ConfigError, match=r"es\.yaml: cannot be read \(FileNotFoundError\)"):
        train(recipe, data=official_data)


def test_notes_are_unseen_where_nobody_learnt_others(tmp_path: Path) -> None:
    path = written_file(tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    plain = {"held_out_fold": None}
    fair = {"held_out_fold": 1, "written": {"elsewhere/es.yaml": digest}, "earlier_stage": plain | {"written": {}}}
    assert notes_are_unseen(plain, path, 0)
    assert notes_are_unseen(fair, path, 1)
    assert not notes_are_unseen(fair, path, 0)
    assert not notes_are_unseen(fair | {"written": {"es.yaml": "another"}}, path, 1)
    assert not notes_are_unseen(plain | {"teachers": [fair | {"held_out_fold": None}]}, path, 1)


def test_a_run_learns_them_and_says_so(two_group_checkpoint: Path, official_data: Path, tmp_path: Path) -> None:
    path = written_file(tmp_path)
    plain = train(recipe_of(tmp_path / "plain", two_group_checkpoint, epochs=1, held_out_fold=None), data=official_data)
    recipe = recipe_of(tmp_path / "run", two_group_checkpoint, epochs=1, held_out_fold=None, written=[path])
    folder = train(recipe, data=official_data)
    data, without = (
        json.loads((run / MANIFEST).read_text(encoding="utf-8"))["training_data"] for run in (folder, plain)
    )
    assert data["written"] == {str(path): hashlib.sha256(path.read_bytes()).hexdigest()}
    assert without["written"] == {}
    assert data["n_mentions"] > without["n_mentions"] + 400
    assert data["sha256"] == without["sha256"]  # that of the corpus


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_files_that_the_project_has_are_in_order(path: Path) -> None:
    """No name is written out where it would be learnt as none."""
    file = read_written(path)
    assert file.language == path.stem
    literal = [PLACE.sub(" ", line) for line in file.lines] + [
        text for texts in file.fillers.values() for text in texts
    ]
    words = {word for text in literal for word in "".join(c if c.isalnum() else " " for c in text.lower()).split()}
    names = [name.lower() for texts in file.mentions.values() for name in texts]
    assert len(set(names)) == len(names) >= 300
    assert not {name for name in names if len(name) > 2} & words
    assert sum(MEDICATION not in line for line in file.lines) > len(file.lines) / 4
    for fold in range(5):
        assert len(mentioned(file.held_out_notes(300, held_out_fold=fold, seed=0))) > len(names) / 6


def test_the_example_of_the_documentation_is_one_too(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs/training.md").read_text(encoding="utf-8")
    example = page.split("```yaml\n")[1].split("```")[0]
    path = tmp_path / "es.yaml"
    path.write_text(example, encoding="utf-8")
    notes = read_written(path).learnt_notes(20, held_out_fold=None, seed=0)
    assert mentioned(notes) == {"Adiro", "Seguril", "Emconcor", "Lixiana", "AAS"}


def test_there_are_such_files() -> None:
    assert [path.stem for path in SHIPPED] == ["en", "it"]
