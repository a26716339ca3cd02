"""Given codes are folded; detection answers one of the languages asked for, or nothing, and never raises."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awkward_texts import awkward_texts
from cardio_ner.document import LANGUAGES
from cardio_ner.language import detect_language, fold_language

LINES = Path(__file__).parents[1] / "benchmarks/language_lines.tsv"
NOTES = Path(__file__).parents[1] / "examples/notes"
LABORATORY = "\n".join(f"Hb 1{i % 5},{i} g/dL  Na 13{i % 9} mEq/L  NT-proBNP {i}" for i in range(200)) + "\n"


def lines(kind: str) -> list[tuple[str, str]]:
    with LINES.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [(row["language"], row["text"]) for row in rows if row["kind"] == kind]


@pytest.mark.parametrize(
    ("code", "folded"),
    [
        ("ES", "es"),
        ("es-ES", "es"),
        (" es_MX ", "es"),
        ("spa", "es"),
        ("ita", "it"),
        ("FR", "fr"),
        ("", None),
        ("Fever since Monday", "und"),
        ("García", "und"),
        ("Lopez-Garcia", "und"),
        ("pt-BR", "pt"),
        ("7", "und"),
        ("es\n", "es"),
        ("-", None),
    ],
)
def test_a_given_code_is_folded_to_two_letters(code: str, folded: str | None) -> None:
    assert fold_language(code) == folded
    assert fold_language(None) is None


@pytest.mark.parametrize("path", sorted(NOTES.glob("*/*.txt")), ids=lambda path: path.stem)
def test_every_example_note_is_of_its_folder_s_language(path: Path) -> None:
    assert detect_language(path.read_bytes().decode(), LANGUAGES) == path.parent.name


def test_capitals_do_not_change_the_language_of_a_sentence() -> None:
    assert detect_language("EL PACIENTE REFIERE DOLOR TORÁCICO DESDE AYER Y NIEGA FIEBRE.", LANGUAGES) == "es"


def test_telegraphic_lines_always_get_a_language_of_ours_and_mostly_theirs() -> None:
    answers = [(code, detect_language(text, LANGUAGES)) for code, text in lines("telegraphic")]
    assert len(answers) == 120
    assert all(found is not None for _, found in answers)
    assert sum(code == found for code, found in answers) >= 105


@pytest.mark.parametrize("code", ["fr", "pt", "ca", "gl", "de", "nl", "ro", "eu"])
def test_a_note_of_another_language_is_none_of_ours(code: str) -> None:
    note = " ".join(text for language, text in lines("foreign") if language == code)
    assert detect_language(note, LANGUAGES) is None


def test_a_language_becomes_ours_when_there_is_a_checkpoint_for_it() -> None:
    note = "Le patient prend de l'apixaban pour une fibrillation auriculaire."
    assert detect_language(note, LANGUAGES) is None
    assert detect_language(note, (*LANGUAGES, "fr")) == "fr"
    assert detect_language(note, ("no such code",)) is None


@pytest.mark.parametrize("text", ["", " \r\n", "120/80 72 36,5 98%", "1. 2. 3.", "?", "💊", "-" * 100])
def test_a_text_without_words_is_of_no_language(text: str) -> None:
    assert detect_language(text, LANGUAGES) is None


@pytest.mark.parametrize("text", ["HTA", "DM2", "Ramipril 5 mg"])
def test_words_that_fit_many_languages_are_given_to_one_of_ours(text: str) -> None:
    assert detect_language(text, LANGUAGES) in LANGUAGES


@pytest.mark.parametrize("before", [LABORATORY, "\n" * 100_000, "1 2 3 " * 10_000], ids=["table", "newlines", "digits"])
def test_what_stands_before_the_note_does_not_hide_its_language(before: str) -> None:
    note = "Paziente con fibrillazione atriale in terapia con apixaban, giunge per dispnea da tre giorni."
    assert detect_language(before + note, LANGUAGES) == "it"


@pytest.mark.parametrize("text", ["a" * 2_000_000, "x1" * 1_000_000, "palabra " * 250_000, " " * 2_000_000])
def test_a_text_of_two_megabytes_takes_no_longer_than_a_glance(text: str) -> None:
    start = time.perf_counter()
    detect_language(text, LANGUAGES)
    assert time.perf_counter() - start < 1


@settings(deadline=None)  # the first call reads the model
@given(st.text() | awkward_texts)
def test_any_text_has_an_answer_and_always_the_same(text: str) -> None:
    found = detect_language(text, LANGUAGES)
    assert found is None or found in LANGUAGES
    assert detect_language(text, LANGUAGES) == found
    assert detect_language(text, tuple(reversed(LANGUAGES))) == found


def test_importing_it_reads_no_model() -> None:
    check = "import cardio_ner.language as m, py3langid.langid as l; assert not m._identifier.cache_info().currsize; "
    subprocess.run([sys.executable, "-c", check + "assert l.IDENTIFIER is None"], check=True)
