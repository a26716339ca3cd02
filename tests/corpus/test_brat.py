"""brat folders in and out."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awkward_texts import awkward_texts
from cardio_ner.corpus.brat import read_brat, write_brat
from cardio_ner.corpus.standoff import Misaligned
from cardio_ner.document import DISEASE, MEDICATION, Document, Span
from cardio_ner.errors import CorpusError

AWKWARD = "\ufeff\U0001f48a ao\u0301rtica\r\ny\u00a0aspirina\u200b."


def write(folder: Path, name: str, text: str, annotation: str | None = None) -> None:
    (folder / f"{name}.txt").write_bytes(text.encode())
    if annotation is not None:
        (folder / f"{name}.ann").write_bytes(annotation.encode())


def read(folder: Path, misaligned: Misaligned | None = None) -> list[Document]:
    return read_brat(folder, language="es", misaligned=misaligned)


def test_official_labels_are_renamed_and_others_stay(tmp_path: Path) -> None:
    write(
        tmp_path,
        "a",
        "infarto, aspirina, dolor",
        "T1\tENFERMEDAD 0 7\tinfarto\nT2\tFARMACO 9 17\taspirina\nT3\tSINTOMA 19 24\tdolor\n",
    )
    spans = (Span(0, 7, DISEASE), Span(9, 17, MEDICATION), Span(19, 24, "SINTOMA"))
    assert read(tmp_path) == [Document("a", "es", "infarto, aspirina, dolor", spans)]


def test_the_text_stays_as_it_lies_there_and_offsets_are_code_points(tmp_path: Path) -> None:
    write(tmp_path, "a", AWKWARD, "T1\tENFERMEDAD 3 11\tao\u0301rtica\nT2\tFARMACO 15 23\taspirina\n")
    (document,) = read(tmp_path)
    assert document.text == AWKWARD
    assert [document.mention(span) for span in document.spans] == ["ao\u0301rtica", "aspirina"]


def test_a_mention_over_a_line_break_is_quoted_with_a_space(tmp_path: Path) -> None:
    write(tmp_path, "a", "infarto\r\nagudo", "T1\tENFERMEDAD 0 14\tinfarto  agudo\n")
    assert read(tmp_path)[0].spans == (Span(0, 14, DISEASE),)


def test_an_annotation_with_windows_line_ends_is_read(tmp_path: Path) -> None:
    write(tmp_path, "a", "infarto y dolor", "T1\tENFERMEDAD 0 7\tinfarto\r\nT2\tENFERMEDAD 10 15\tdolor\r\n")
    assert len(read(tmp_path)[0].spans) == 2


def test_a_byte_order_mark_before_the_annotation_hides_no_mention(tmp_path: Path) -> None:
    write(tmp_path, "a", "infarto", "\ufeffT1\tENFERMEDAD 0 7\tinfarto\n")
    assert read(tmp_path)[0].spans == (Span(0, 7, DISEASE),)


def test_lines_that_are_not_text_bound_are_passed_over(tmp_path: Path) -> None:
    lines = "T1\tENFERMEDAD 0 7\tinfarto\n#1\tAnnotatorNotes T1\tnote\nR1\tof Arg1:T1 Arg2:T1\nA1\tNegated T1\n\n"
    write(tmp_path, "a", "infarto", lines)
    assert read(tmp_path)[0].spans == (Span(0, 7, DISEASE),)


def test_a_text_without_annotation_has_no_mention(tmp_path: Path) -> None:
    write(tmp_path, "a", "dolor")
    write(tmp_path, "b", "dolor", "")
    assert [(d.doc_id, d.spans) for d in read(tmp_path)] == [("a", ()), ("b", ())]


def test_documents_come_sorted_by_name_and_mentions_in_reading_order(tmp_path: Path) -> None:
    for name in ("c", "a.1", "b"):
        write(tmp_path, name, "infarto dolor", "T1\tX 8 13\tdolor\nT2\tX 0 7\tinfarto\n")
    documents = read(tmp_path)
    assert [d.doc_id for d in documents] == ["a.1", "b", "c"]
    assert all([s.start for s in d.spans] == [0, 8] for d in documents)


@pytest.mark.parametrize(
    "line",
    [
        "T1\tENFERMEDAD 0 3;4 7\tinf rto",
        "T1\tENFERMEDAD 0 7",
        "T1\tENFERMEDAD zero 7\tinfarto",
        "T1 ENFERMEDAD 0 7 infarto",
    ],
)
def test_a_line_that_is_no_contiguous_mention_is_refused(tmp_path: Path, line: str) -> None:
    write(tmp_path, "a", "infarto", f"#1\tnote\n{line}\n")
    with pytest.raises(CorpusError, match=r"a\.ann, line 2: not a contiguous"):
        read(tmp_path, Misaligned())


@pytest.mark.parametrize("place", ["1 8", "0 6", "0 99", "7 7", "-7 7"])
def test_a_misaligned_mention_is_refused_without_quoting_the_text(tmp_path: Path, place: str) -> None:
    write(tmp_path, "a", "infarto secreto", f"T1\tENFERMEDAD {place}\tinfarto\n")
    with pytest.raises(CorpusError, match=r"a\.ann, line 1") as refusal:
        read(tmp_path)
    assert "infarto" not in str(refusal.value)
    assert "secreto" not in str(refusal.value)


def test_misaligned_mentions_are_counted_where_the_caller_asks(tmp_path: Path) -> None:
    write(tmp_path, "a", "infarto y dolor", "T1\tX 0 7\tinfarto\nT2\tX 9 14\tdolor\nT3\tX 11 99\tdolor\n")
    counted = Misaligned()
    assert read(tmp_path, counted)[0].spans == (Span(0, 7, "X"),)
    assert counted.count == 2
    assert [place.rpartition("/")[2] for place in counted.examples] == ["a.ann, line 2", "a.ann, line 3"]


def test_an_annotation_without_its_text_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a", "dolor")
    (tmp_path / "b.ann").write_text("")
    with pytest.raises(CorpusError, match=r"1 \.ann files have no \.txt \(such as b\.ann\)"):
        read(tmp_path)


def test_suffixes_are_read_in_any_case_and_hidden_files_are_not(tmp_path: Path) -> None:
    (tmp_path / "A.TXT").write_bytes(b"infarto")
    (tmp_path / "A.ann").write_bytes(b"T1\tENFERMEDAD 0 7\tinfarto\n")
    (tmp_path / "b.txt").write_bytes(b"dolor")
    (tmp_path / "b.Ann").write_bytes(b"T1\tSINTOMA 0 5\tdolor\n")
    for name in ("_draft.txt", "._b.txt", ".old.ann"):
        (tmp_path / name).write_bytes(b"\xff")
    assert [(d.doc_id, d.spans) for d in read(tmp_path)] == [
        ("A", (Span(0, 7, DISEASE),)),
        ("b", (Span(0, 5, "SINTOMA"),)),
    ]


def test_two_files_of_one_document_are_refused(tmp_path: Path) -> None:
    for name in ("a.txt", "a.ann", "a.ANN"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(CorpusError, match=r"a\.ann: a\.ANN is beside it: expected one file of this name"):
        read(tmp_path)


def test_a_type_of_several_words_is_written_as_one_and_read_back(tmp_path: Path) -> None:
    document = Document("a", "es", "stent").with_spans([Span(0, 5, "Medical  Device\t2")])
    write_brat([document], tmp_path)
    assert read(tmp_path) == [document.with_spans([Span(0, 5, "Medical_Device_2")])]


def test_a_folder_without_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no \.txt file"):
        read(tmp_path)


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("aórtica".encode("latin-1"))
    with pytest.raises(CorpusError, match="byte 1 is not UTF-8"):
        read(tmp_path)


@pytest.mark.parametrize("doc_id", ["", "a/b", "/etc/x", "."])
def test_an_id_that_is_no_file_name_is_not_written(tmp_path: Path, doc_id: str) -> None:
    with pytest.raises(CorpusError, match="no file name"):
        write_brat([Document(doc_id, "es", "x")], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@st.composite
def documents(draw: st.DrawFn) -> list[Document]:
    """Documents of awkward texts with any mentions, overlapping ones too."""
    found = []
    for number, text in enumerate(draw(st.lists(awkward_texts, min_size=1, max_size=3))):
        edges = st.lists(st.integers(0, len(text)), min_size=2, max_size=2, unique=True)
        places = draw(st.lists(edges, max_size=4)) if text else []
        spans = [Span(min(place), max(place), draw(st.sampled_from([DISEASE, MEDICATION]))) for place in places]
        found.append(Document(f"doc{number}", "es", text).with_spans(spans))
    return found


@settings(max_examples=100, deadline=None)
@given(written=documents())
def test_what_was_written_is_read_back_unchanged(
    tmp_path_factory: pytest.TempPathFactory, written: list[Document]
) -> None:
    folder = tmp_path_factory.mktemp("brat")
    assert write_brat(written, folder) == len(written)
    assert read(folder) == written
