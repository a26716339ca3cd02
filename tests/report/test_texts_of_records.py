"""A record's text: that which was annotated, or the reason why there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from cardio_ner.errors import InputError
from cardio_ner.report.texts import check_encoding, text_of
from hand_tables import sha

TEXT = "Alergia a la codeína: «no tolera»."


@pytest.mark.parametrize("name", ["a.txt", "a.TXT", "a.Txt", "a.tXT"])
def test_the_suffix_is_in_any_case(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(TEXT, encoding="utf-8")
    assert text_of(tmp_path, "a", sha(TEXT)) == (TEXT, "")


def test_of_files_that_differ_in_the_suffix_s_case_it_is_the_one_that_was_annotated(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Otro.", encoding="utf-8")
    (tmp_path / "a.TXT").write_text(TEXT, encoding="utf-8")
    assert text_of(tmp_path, "a", sha(TEXT)) == (TEXT, "")


def test_a_text_is_decoded_as_the_job_was_told_unless_it_is_the_annotated_one_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT.encode("windows-1252"))
    (tmp_path / "b.txt").write_bytes(TEXT.encode("utf-8"))
    for doc_id in "ab":
        assert text_of(tmp_path, doc_id, sha(TEXT), encoding="windows-1252") == (TEXT, "")
    text, why = text_of(tmp_path, "a", sha(TEXT))
    assert text is None
    assert why.endswith("it has changed since, or was read with --encoding.")
    for encoding in ("utf-16", "ascii"):
        assert text_of(tmp_path, "a", sha(TEXT), encoding=encoding) == (None, why)


@pytest.mark.parametrize("name", ["klingon", "rot13", "hex", "", "a\0b"])
def test_an_encoding_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="no encoding of that name: expected the one that the job was given"):
        check_encoding(name)
