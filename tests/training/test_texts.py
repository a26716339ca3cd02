"""Reading unlabelled texts: weights, what is held out, and what is said of a line that cannot be read."""

import gzip
from pathlib import Path

import pytest

from cardio_ner.corpus.multicardioner import read_multicardioner
from cardio_ner.errors import ConfigError
from cardio_training.pretraining_recipe import Texts
from cardio_training.texts import Source, is_held_out, read_source, sources_of, times_read, weighted_texts
from tiny_texts import sentences

LINE = b'{"lang": "es", "text": "dolor"}\n'
NOTES = "text/notes.es.jsonl.gz"
DRAWN = [sentences("es", 6, number) for number in range(400)]


def test_a_file_gives_its_texts_in_order_with_their_language(text_data: Path) -> None:
    read = list(read_source(Source(NOTES, 1), text_data))
    assert read[:2] == [("es", sentences("es", 6, 0)), ("es", sentences("es", 6, 1))]
    assert len(read) == 60


def test_a_file_may_be_plain(tmp_path: Path) -> None:
    (tmp_path / "plain.jsonl").write_text('{"lang": "it", "source": "x", "text": "dolore"}\n', encoding="utf-8")
    assert list(read_source(Source("plain.jsonl", 1), tmp_path)) == [("it", "dolore")]


def test_only_the_folds_named_are_read_of_cardioccc_dev(text_data: Path) -> None:
    texts = Texts.model_validate({"train": {"es": 1}, "cardioccc": {"es": 1}})
    corpus = read_multicardioner(text_data, "es")
    train, dev = sources_of(texts, (3, 4))
    assert [text for _, text in read_source(train, text_data)] == [d.text for d in corpus.train]
    seen = {text for _, text in read_source(dev, text_data)}
    assert seen == {d.text for fold in (3, 4) for d in corpus.fold(fold)[1]}
    assert seen
    assert not seen & {d.text for fold in (0, 1, 2) for d in corpus.fold(fold)[1]}


def test_a_weight_of_nought_leaves_a_source_out(text_data: Path) -> None:
    texts = Texts.model_validate({"files": {NOTES: 1, "text/absent.jsonl.gz": 0}, "train": {"it": 0}})
    assert [source.name for source in sources_of(texts, ())] == [NOTES]


def test_weights_repeat_texts_and_fractions_draw_them(text_data: Path) -> None:
    texts = list(weighted_texts([Source(NOTES, 2.5)], text_data))
    once = [text for _, text in read_source(Source(NOTES, 1), text_data)]
    assert {texts.count(text) for text in once} == {2, 3}
    drawn = [text for text in DRAWN if times_read(text, 0.3)]
    assert 0.2 < len(drawn) / len(DRAWN) < 0.4
    assert [times_read(text, 3) for text in DRAWN[:5]] == [3] * 5


def test_what_is_held_out_follows_from_the_text_alone_and_not_from_what_is_drawn() -> None:
    held_out = {text for text in DRAWN if is_held_out(text, 0.3)}
    assert 0.2 < len(held_out) / len(DRAWN) < 0.4
    assert held_out == {text for text in reversed(DRAWN) if is_held_out(text, 0.3)}
    assert 0 < len([text for text in held_out if times_read(text, 0.3)]) < len(held_out)
    assert held_out <= {text for text in DRAWN if is_held_out(text, 0.5)}


@pytest.mark.parametrize(
    "line",
    [
        '{"lang": "es", "text": "a\\ud800"}',
        "{",
        "[]",
        '{"lang": "es"}',
        '{"lang": "fr", "text": "secreto"}',
        '{"lang": "es", "text": 5}',
    ],
)
def test_a_line_that_is_no_text_is_named_by_its_number_and_never_shown(tmp_path: Path, line: str) -> None:
    good = '{"lang": "es", "text": "dolor"}'
    (tmp_path / "bad.jsonl").write_text(f"{good}\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bad\.jsonl, line 2: expected a JSON object with lang") as caught:
        list(read_source(Source("bad.jsonl", 1), tmp_path))
    assert "secreto" not in str(caught.value)


def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    with pytest.raises(ConfigError, match=r"text: unreadable after line 0 \(IsADirectoryError\): expected a file"):
        list(read_source(Source("text", 1), tmp_path))


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.jsonl: no such file"):
        list(read_source(Source("absent.jsonl", 1), tmp_path))


@pytest.mark.parametrize(
    ("content", "name", "complaint"),
    [
        (gzip.compress(LINE * 3, mtime=0)[:-12], "cut.jsonl.gz", r"cut\.jsonl\.gz: unreadable after line \d"),
        (LINE, "plain.jsonl.gz", r"unreadable after line 0 \(BadGzipFile\)"),
        (
            LINE + b"\xff\n",
            "latin.jsonl",
            r"unreadable after line \d \(UnicodeDecodeError\): expected a file .* of UTF-8",
        ),
    ],
)
def test_a_file_that_cannot_be_read_to_its_end_is_named(
    tmp_path: Path, content: bytes, name: str, complaint: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=complaint):
        list(read_source(Source(name, 1), tmp_path))
