"""The shared task's table."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awkward_texts import awkward_texts
from cardio_ner.corpus.standoff import Misaligned
from cardio_ner.corpus.tsv import COLUMNS, read_tsv, write_tsv
from cardio_ner.document import DISEASE, MEDICATION, Document, Span
from cardio_ner.errors import CorpusError

HEADER = "\t".join(COLUMNS) + "\n"


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_bytes('\U0001f48a ao\u0301rtica\r\ny "aspirina".'.encode())
    (folder / "b.txt").write_bytes(b"dolor")
    return folder


def table(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "mentions.tsv"
    path.write_bytes(content.encode())
    return path


def read(path: Path, texts: Path, misaligned: Misaligned | None = None) -> list[Document]:
    return read_tsv(path, texts, language="es", misaligned=misaligned)


def test_mentions_are_given_to_their_texts_and_a_text_without_rows_has_none(tmp_path: Path, texts: Path) -> None:
    rows = "a\tT2\tFARMACO\t15\t23\taspirina\na.txt\tT1\tENFERMEDAD\t2\t10\tao\u0301rtica\n"
    first, second = read(table(tmp_path, HEADER + rows), texts)
    assert first.spans == (Span(2, 10, DISEASE), Span(15, 23, MEDICATION))
    assert [first.mention(span) for span in first.spans] == ["ao\u0301rtica", "aspirina"]
    assert second == Document("b", "es", "dolor")


def test_a_quotation_mark_is_an_ordinary_character(tmp_path: Path, texts: Path) -> None:
    rows = 'a\tT1\tX\t14\t24\t"aspirina"\nb\tT1\tX\t0\t5\tdolor\n'
    first, second = read(table(tmp_path, HEADER + rows), texts)
    assert first.mention(first.spans[0]) == '"aspirina"'
    assert len(second.spans) == 1


def test_windows_line_ends_are_read(tmp_path: Path, texts: Path) -> None:
    path = table(tmp_path, (HEADER + "b\tT1\tX\t0\t5\tdolor\n").replace("\n", "\r\n"))
    assert read(path, texts)[1].spans == (Span(0, 5, "X"),)


def test_a_byte_order_mark_before_the_header_is_no_part_of_it(tmp_path: Path, texts: Path) -> None:
    path = table(tmp_path, "\ufeff" + HEADER + "b\tT1\tX\t0\t5\tdolor\n")
    assert read(path, texts)[1].spans == (Span(0, 5, "X"),)


def test_a_lone_carriage_return_ends_no_row(tmp_path: Path, texts: Path) -> None:
    (texts / "b.txt").write_bytes(b"dolor\ragudo")
    path = table(tmp_path, HEADER + "b\tT1\tX\t0\t11\tdolor\ragudo\n")
    assert read(path, texts)[1].spans == (Span(0, 11, "X"),)


def test_blank_lines_are_counted_where_an_error_names_its_line(tmp_path: Path, texts: Path) -> None:
    for wrong in ("b\tT1\tX\n", "z\tT1\tX\t0\t5\tdolor\n"):
        with pytest.raises(CorpusError, match="line 5: "):
            read(table(tmp_path, HEADER + "\n\r\n" + "b\tT1\tX\t0\t5\tdolor\n" + wrong), texts)


def test_a_name_without_its_text_is_refused(tmp_path: Path, texts: Path) -> None:
    with pytest.raises(CorpusError, match=r"line 2: names 'z'"):
        read(table(tmp_path, HEADER + "z\tT1\tX\t0\t5\tdolor\n"), texts)


@pytest.mark.parametrize("header", ["", "filename\tlabel\n", HEADER.replace("ann_id", "id")])
def test_another_header_is_refused(tmp_path: Path, texts: Path, header: str) -> None:
    with pytest.raises(CorpusError, match="columns are"):
        read(table(tmp_path, header), texts)


def test_a_row_of_another_width_is_refused(tmp_path: Path, texts: Path) -> None:
    with pytest.raises(CorpusError, match="line 3: 3 columns: expected 6"):
        read(table(tmp_path, HEADER + "b\tT1\tX\t0\t5\tdolor\nb\tT1\tX\n"), texts)


def test_offsets_that_are_no_numbers_are_refused(tmp_path: Path, texts: Path) -> None:
    with pytest.raises(CorpusError, match="line 2: start_span and end_span"):
        read(table(tmp_path, HEADER + "b\tT1\tX\t0\tfive\tdolor\n"), texts)


def test_a_misaligned_mention_is_refused_or_counted(tmp_path: Path, texts: Path) -> None:
    path = table(tmp_path, HEADER + "b\tT1\tX\t0\t5\tdolor\nb\tT2\tX\t1\t5\tdolor\n")
    with pytest.raises(CorpusError, match="line 3") as refusal:
        read(path, texts)
    assert "dolor" not in str(refusal.value)
    counted = Misaligned()
    assert read(path, texts, counted)[1].spans == (Span(0, 5, "X"),)
    assert counted.count == 1


def test_a_mention_over_tabs_and_line_breaks_is_quoted_with_spaces_and_read_back(tmp_path: Path) -> None:
    document = Document("a", "es", "a\tb\r\nc").with_spans([Span(0, 6, DISEASE)])
    (tmp_path / "a.txt").write_bytes(document.text.encode())
    write_tsv([document], tmp_path / "mentions.tsv")
    assert (tmp_path / "mentions.tsv").read_text(encoding="utf-8").endswith("\ta b  c\n")
    assert read(tmp_path / "mentions.tsv", tmp_path) == [document]


def test_texts_are_those_that_a_brat_folder_has(tmp_path: Path) -> None:
    (tmp_path / "a.TXT").write_bytes(b"infarto")
    (tmp_path / "._a.txt").write_bytes(b"\x00\x05\x16\x07\xff")  # what a Mac leaves beside it
    (tmp_path / "mentions.tsv").write_text(f"{HEADER}a\tT1\tENFERMEDAD\t0\t7\tinfarto\n", encoding="utf-8")
    assert read(tmp_path / "mentions.tsv", tmp_path) == [
        Document("a", "es", "infarto").with_spans([Span(0, 7, DISEASE)])
    ]
    (tmp_path / "a.txt").write_bytes(b"infarto")
    with pytest.raises(CorpusError, match="expected one file of this name"):
        read(tmp_path / "mentions.tsv", tmp_path)


def test_official_labels_are_written_as_the_official_table_has_them(tmp_path: Path) -> None:
    spans = [Span(0, 7, DISEASE), Span(8, 16, MEDICATION), Span(17, 22, "SYMPTOM")]
    document = Document("a", "es", "infarto aspirina dolor").with_spans(spans)
    (tmp_path / "a.txt").write_bytes(document.text.encode())
    write_tsv([document], tmp_path / "mentions.tsv")
    rows = (tmp_path / "mentions.tsv").read_text(encoding="utf-8").splitlines()[1:]
    assert [row.split("\t")[2] for row in rows] == ["ENFERMEDAD", "FARMACO", "SYMPTOM"]
    assert read(tmp_path / "mentions.tsv", tmp_path) == [document]


@settings(max_examples=100, deadline=None)
@given(data=st.data(), text=awkward_texts.filter(bool))
def test_what_was_written_is_read_back_unchanged(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, text: str
) -> None:
    edges = st.lists(st.integers(0, len(text)), min_size=2, max_size=2, unique=True)
    spans = [Span(min(place), max(place), DISEASE) for place in data.draw(st.lists(edges, max_size=4))]
    document = Document("a", "es", text).with_spans(spans)
    folder = tmp_path_factory.mktemp("tsv")
    (folder / "a.txt").write_bytes(text.encode())
    assert write_tsv([document], folder / "mentions.tsv") == len(spans)
    assert read(folder / "mentions.tsv", folder) == [document]
