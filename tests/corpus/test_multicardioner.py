"""The official folders: a tiny copy of the layout, and the real data where CARDIO_NER_DATA names it."""

import os
import shutil
from pathlib import Path

import pytest

from cardio_ner.corpus.brat import read_brat
from cardio_ner.corpus.multicardioner import (
    DATA_VARIABLE,
    N_FOLDS,
    LanguageCorpus,
    data_folder,
    read_multicardioner,
)
from cardio_ner.corpus.tsv import read_tsv
from cardio_ner.document import DISEASE, LANGUAGES, MEDICATION, Document
from cardio_ner.errors import CorpusError
from tiny_corpus import write_official_layout


def n_mentions(documents: tuple[Document, ...], entity_type: str) -> int:
    return sum(span.entity_type == entity_type for document in documents for span in document.spans)


def test_spanish_documents_carry_the_mentions_of_both_tracks(official_data: Path) -> None:
    corpus = read_multicardioner(official_data, "es")
    assert (len(corpus.train), len(corpus.dev)) == (6, 7)
    assert corpus.annotated == {DISEASE, MEDICATION}
    for documents in (corpus.train, corpus.dev):
        assert n_mentions(documents, DISEASE) == n_mentions(documents, MEDICATION) == 2 * len(documents)
    first = corpus.train[0]
    assert [first.mention(s) for s in first.spans] == ["estenosis aórtica", "aspirina", "infarto agudo", "heparina"]


@pytest.mark.parametrize("language", ["en", "it"])
def test_the_other_languages_carry_medications_alone(official_data: Path, language: str) -> None:
    corpus = read_multicardioner(official_data, language)
    assert corpus.annotated == {MEDICATION}
    assert {s.entity_type for d in corpus.train + corpus.dev for s in d.spans} == {MEDICATION}
    assert {d.language for d in corpus.train + corpus.dev} == {language}


def test_a_fold_holds_out_every_fifth_document_of_dev_and_nothing_of_train(official_data: Path) -> None:
    corpus = read_multicardioner(official_data, "es")
    held_out_of = [corpus.fold(fold)[1] for fold in range(N_FOLDS)]
    assert [[d.doc_id for d in held] for held in held_out_of][:3] == [
        ["case006", "case011"],
        ["case007", "case012"],
        ["case008"],
    ]
    assert sorted(d.doc_id for held in held_out_of for d in held) == [d.doc_id for d in corpus.dev]
    for fold, held in enumerate(held_out_of):
        learnt, _ = corpus.fold(fold)
        assert set(learnt).isdisjoint(held)
        assert set(learnt) | set(held) == set(corpus.train + corpus.dev)


def test_folds_hold_the_same_names_in_all_languages(official_data: Path) -> None:
    corpora = [read_multicardioner(official_data, language) for language in LANGUAGES]
    for fold in range(N_FOLDS):
        assert len({tuple(d.doc_id for d in corpus.fold(fold)[1]) for corpus in corpora}) == 1


def test_a_document_is_held_out_once_though_its_suffix_is_written_in_capitals_in_one_language(spoilt: Path) -> None:
    whole = read_multicardioner(spoilt, "es")
    file = spoilt / "multicardioner/track2/cardioccc_dev/en/brat/case006.txt"
    file.rename(file.with_suffix(".TXT"))
    for language in LANGUAGES:
        corpus = read_multicardioner(spoilt, language)
        for fold in range(N_FOLDS):
            assert [d.doc_id for d in corpus.fold(fold)[1]] == [d.doc_id for d in whole.fold(fold)[1]]


def test_a_translation_that_is_missing_moves_no_other_document_to_another_fold(spoilt: Path) -> None:
    whole = read_multicardioner(spoilt, "es")
    folder = spoilt / "multicardioner" / "track2" / "cardioccc_dev" / "en" / "brat"
    for name in ("case008.txt", "case008.ann"):
        (folder / name).unlink()
    spanish, english = (read_multicardioner(spoilt, language) for language in ("es", "en"))
    for fold in range(N_FOLDS):
        assert spanish.fold(fold) == whole.fold(fold)
        for held, theirs in zip(spanish.fold(fold), english.fold(fold), strict=True):
            assert [d.doc_id for d in held if d.doc_id != "case008"] == [d.doc_id for d in theirs]


@pytest.mark.parametrize("fold", [-1, 5])
def test_a_fold_that_does_not_exist_is_refused(fold: int) -> None:
    with pytest.raises(CorpusError, match=f"fold {fold}: expected 0 to 4"):
        LanguageCorpus("es", frozenset(), (), (), ()).fold(fold)


def test_another_language_is_refused(official_data: Path) -> None:
    with pytest.raises(CorpusError, match="language 'pt': MultiCardioNER has es, en, it"):
        read_multicardioner(official_data, "pt")


@pytest.fixture
def spoilt(tmp_path: Path) -> Path:
    """A copy of the layout that the test may spoil."""
    return write_official_layout(tmp_path)


def test_a_text_that_differs_between_the_tracks_is_refused(spoilt: Path) -> None:
    text = spoilt / "multicardioner" / "track1" / "cardioccc_dev" / "brat" / "case008.txt"
    text.write_text(text.read_text(encoding="utf-8") + "!", encoding="utf-8")
    with pytest.raises(CorpusError, match="case008: its text differs"):
        read_multicardioner(spoilt, "es")


def test_a_document_that_one_track_lacks_is_refused(spoilt: Path) -> None:
    for name in ("case008.txt", "case008.ann"):
        (spoilt / "multicardioner" / "track1" / "cardioccc_dev" / "brat" / name).unlink()
    with pytest.raises(CorpusError, match="different Spanish documents"):
        read_multicardioner(spoilt, "es")


def test_the_data_folder_comes_from_the_caller_before_the_environment(
    official_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(official_data))
    assert data_folder() == official_data
    with pytest.raises(CorpusError, match="no multicardioner/track2 inside"):
        data_folder(tmp_path)


def test_without_any_data_folder_the_error_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    with pytest.raises(CorpusError, match=DATA_VARIABLE):
        data_folder()


def test_an_incomplete_data_folder_is_refused(spoilt: Path) -> None:
    shutil.rmtree(spoilt / "multicardioner" / "track2" / "cardioccc_dev" / "it" / "brat")
    with pytest.raises(CorpusError, match=r"no \.txt file"):
        read_multicardioner(spoilt, "it")


# ── the real data ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def real_data() -> Path:
    if not os.environ.get(DATA_VARIABLE):
        pytest.skip(f"{DATA_VARIABLE} is not set: the official data are not at hand")
    return data_folder()


@pytest.fixture(scope="module")
def real_corpora(real_data: Path) -> dict[str, LanguageCorpus]:
    return {language: read_multicardioner(real_data, language) for language in LANGUAGES}


def test_the_official_data_hold_what_their_readme_says(real_corpora: dict[str, LanguageCorpus]) -> None:
    assert {language: (len(c.train), len(c.dev)) for language, c in real_corpora.items()} == dict.fromkeys(
        LANGUAGES, (1000, 258)
    )
    spanish = real_corpora["es"]
    assert (n_mentions(spanish.train, DISEASE), n_mentions(spanish.dev, DISEASE)) == (10_663, 10_347)
    medications = {
        language: (n_mentions(c.train, MEDICATION), n_mentions(c.dev, MEDICATION))
        for language, c in real_corpora.items()
    }
    assert medications == {"es": (2776, 2510), "en": (2807, 2506), "it": (2803, 2581)}


def test_real_folds_hold_the_same_names_in_all_languages(real_corpora: dict[str, LanguageCorpus]) -> None:
    for fold in range(N_FOLDS):
        names = {tuple(d.doc_id for d in corpus.fold(fold)[1]) for corpus in real_corpora.values()}
        assert len(names) == 1
        assert len(names.pop()) in (51, 52)


@pytest.mark.parametrize(
    "folder",
    [
        "track1/distemist_train",
        "track1/cardioccc_dev",
        *(f"track2/{part}/{language}" for part in ("drugtemist_train", "cardioccc_dev") for language in LANGUAGES),
    ],
)
def test_the_real_table_says_what_the_real_brat_files_say(real_data: Path, folder: str) -> None:
    place = real_data / "multicardioner" / folder
    (table,) = (place / "tsv").glob("*.tsv")
    assert read_tsv(table, place / "brat", language="es") == read_brat(place / "brat", language="es")
