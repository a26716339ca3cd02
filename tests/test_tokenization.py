"""Tokens and their places in the untouched text."""

import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Encoding, Tokenizer, normalizers
from tokenizers.models import BPE, Unigram
from tokenizers.pre_tokenizers import ByteLevel, Metaspace, Sequence, WhitespaceSplit

from awkward_texts import awkward_texts
from cardio_ner import tokenization, word_table
from cardio_ner.checkpoint import packaged_model
from cardio_ner.tokenization import DocumentTokenizer
from cardio_ner.word_table import Tokens

SPLITTABLE = st.lists(
    st.sampled_from(
        [
            "aspirina",
            "ao\u0301rtica",
            "día",
            "5",
            "mg",
            ".",
            "\U0001f48a\ufe0f",
            "\r\n",
            " ",
            "  ",
            "\n",
            "\u00a0",
            "x\u200by",
        ]
    ),
    max_size=60,
).map(" ".join)


def byte_level() -> Tokenizer:
    """As RoBERTa's: the space before a word is the word's first byte."""
    letters = sorted(ByteLevel.alphabet())
    merges = [("\u0120", "d"), ("\u0120d", "o"), ("a", "s"), ("\u0120", "a"), ("1", "0")]
    pieces = dict.fromkeys([*letters, *("".join(pair) for pair in merges)])
    backend = Tokenizer(BPE({piece: row for row, piece in enumerate(pieces)}, merges))
    backend.pre_tokenizer = ByteLevel(add_prefix_space=False)
    return backend


def metaspace() -> Tokenizer:
    """As XLM-RoBERTa's: a mark before each word, whatever space was there."""
    pieces = ["<unk>", "\u2581", *"abcdefghijklmnopqrstuvwxyz0123456789.,", "\u2581do", "as", "\u2581a", "mg"]
    scored = [(piece, -1.0 - len(pieces) / (9 + row)) for row, piece in enumerate(pieces)]
    backend = Tokenizer(Unigram(scored, 0, False))
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = Sequence([WhitespaceSplit(), Metaspace()])
    return backend


def bare_metaspace() -> Tokenizer:
    """The same with every run of spaces left as it is: a text may end in a mark of its own."""
    backend = metaspace()
    backend.normalizer = None
    backend.pre_tokenizer = Metaspace()
    return backend


BACKENDS = {
    "es": Tokenizer.from_file(str(packaged_model("es") / "tokenizer.json")),
    "byte-level": byte_level(),
    "metaspace": metaspace(),
    "bare metaspace": bare_metaspace(),
}


def cuts(text: str, tokens: Tokens) -> list[str]:
    return [text[start:end] for start, end in zip(tokens.starts, tokens.ends, strict=True)]


def pieces_of(tokenizer: DocumentTokenizer, tokens: Tokens) -> list[str]:
    return [tokenizer.backend.id_to_token(int(i)) for i in tokens.ids]


def folded(cut: str) -> str:
    """What a lower-casing, accent-stripping BERT makes of a stretch of text, written down independently."""
    bare = (c for c in unicodedata.normalize("NFD", cut) if unicodedata.category(c) not in ("Mn", "Cc", "Cf"))
    return "".join(bare).lower()


@settings(max_examples=150, deadline=None)
@given(text=awkward_texts)
@example(text="n\u0303")
@example(text="\u0301a")
@example(text="a\u0301\u0323 \u0301b")
def test_each_place_cuts_out_what_the_token_says(tokenizer: DocumentTokenizer, text: str) -> None:
    tokens = tokenizer([text])[0]
    for piece, cut in zip(pieces_of(tokenizer, tokens), cuts(text, tokens), strict=True):
        assert cut
        assert piece == "[UNK]" or folded(cut) == piece.removeprefix("##")


@settings(max_examples=150, deadline=None)
@given(text=awkward_texts)
def test_places_are_in_order_and_neither_cut_a_character_nor_hold_outer_space(
    tokenizer: DocumentTokenizer, text: str
) -> None:
    tokens = tokenizer([text])[0]
    assert (tokens.starts >= 0).all()
    assert (tokens.ends <= len(text)).all()
    assert (tokens.ends[:-1] <= tokens.starts[1:]).all()
    for end, cut in zip(tokens.ends, cuts(text, tokens), strict=True):
        assert cut == cut.strip()
        assert end == len(text) or unicodedata.category(text[end]) != "Mn" or text[end] in cut or end in tokens.starts


@settings(max_examples=100, deadline=None)
@given(text=awkward_texts)
def test_no_letter_digit_or_emoji_is_left_outside_the_tokens(tokenizer: DocumentTokenizer, text: str) -> None:
    tokens = tokenizer([text])[0]
    inside = {at for start, end in zip(tokens.starts, tokens.ends, strict=True) for at in range(start, end)}
    assert all(at in inside for at, c in enumerate(text) if c.isalnum() or unicodedata.category(c) == "So")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("aórtica aspirina", ["aórtica", "aspirina"]),
        ("ao\u0301rtica aspirina", ["ao\u0301rtica", "aspirina"]),
        ("aorticá\u0323 x", ["aorticá\u0323", "x"]),
        ("dolor\r\nagudo", ["dolor", "agudo"]),
        ("dolor\u00a0agudo", ["dolor", "agudo"]),
        ("\ufeffdolor", ["dolor"]),
        ("do\u200blor agudo", ["do\u200blor", "agudo"]),
        ("\N{PILL}\ufe0f aspirina", ["\N{PILL}\ufe0f", "aspirina"]),
        ("\U0001f469\u200d\u2695\ufe0f mg", ["\U0001f469\u200d\u2695\ufe0f", "mg"]),
        ("\u2764\ufe0fdolor", ["\u2764\ufe0fdolor"]),
    ],
)
def test_places_count_code_points_of_the_text_as_it_came(
    tokenizer: DocumentTokenizer, text: str, expected: list[str]
) -> None:
    assert cuts(text, tokenizer([text])[0]) == expected


@pytest.mark.parametrize("text", ["", " ", "\r\n\t ", "\u200b\ufeff", "\u0301"])
def test_a_text_without_anything_to_read_has_no_token(tokenizer: DocumentTokenizer, text: str) -> None:
    tokens = tokenizer([text])[0]
    assert len(tokens) == 0
    assert [len(places) for places in tokens.word_places()] == [0, 0, 0]


@settings(max_examples=100, deadline=None)
@given(text=SPLITTABLE, piece_chars=st.integers(1, 40))
def test_a_long_text_in_pieces_has_the_tokens_of_the_short_way(
    tokenizer: DocumentTokenizer, text: str, piece_chars: int
) -> None:
    whole = tokenizer([text])[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenization, "PIECE_CHARS", piece_chars)
        words_begin = [at for at in range(piece_chars, len(text)) if text[at] == " " and not text[at - 1].isspace()]
        assert len(list(tokenization._pieces(text))) > 1 or len(text) <= piece_chars or not words_begin
        pieced = tokenizer([text])[0]
    for name in ("ids", "starts", "ends", "begins_word"):
        assert (getattr(pieced, name) == getattr(whole, name)).all(), name


@pytest.mark.parametrize("control", ["\x0b", "\x0c", "\x1c", "\x85"])
def test_a_long_text_is_not_cut_where_the_tokenizer_sees_no_space(tokenizer: DocumentTokenizer, control: str) -> None:
    half = "dolor " * (tokenization.PIECE_CHARS // 6) + "infarto"
    text = f"{half[: tokenization.PIECE_CHARS]}{control}agudo"
    whole, alone = tokenizer([text])[0], tokenizer([text[-20:]])[0]
    assert whole.ids[-5:].tolist() == alone.ids[-5:].tolist()
    assert whole.begins_word[-5:].tolist() == alone.begins_word[-5:].tolist()


def test_a_long_text_goes_through_in_pieces(tokenizer: DocumentTokenizer) -> None:
    text = "aspirina 100 mg/día " * 5000
    pieces = list(tokenization._pieces(text))
    tokens = tokenizer([text])[0]
    assert len(pieces) == 5
    assert max(end - start for start, end in pieces) < tokenization.PIECE_CHARS + 20
    assert len(tokens) == 5000 * len(tokenizer(["aspirina 100 mg/día"])[0])
    assert cuts(text, tokens)[-1] == "día"
    assert tokens.ends[-1] == len(text) - 1


class Counted:
    """Stands in for an Encoding of many tokens; each of its properties makes a list anew, as the real ones do."""

    asked: ClassVar[Counter[str]] = Counter()

    def __getattr__(self, name: str) -> list[Any]:
        self.asked[name] += 1
        return {"ids": [5] * 40, "offsets": [(t, t + 1) for t in range(40)], "word_ids": [*range(40)]}[name]


def test_no_list_of_all_tokens_is_made_for_each_token() -> None:
    assert len(list(word_table._placed(cast("Encoding", Counted()), "x" * 40))) == 40
    assert Counted.asked == {"ids": 1, "offsets": 1, "word_ids": 1}


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(awkward_texts, max_size=12), before=st.integers(0, 300))
def test_a_long_run_of_words_without_space_between_keeps_its_tokens(
    tokenizer: DocumentTokenizer, texts: list[str], before: int
) -> None:
    words = ["".join(text.split())[:40].replace("[", "(") for text in texts]
    run = f"{' ' * before}{'/'.join(words)},{'aspirina-' * 20}"
    assert len(list(tokenization._parts(run))) > 1
    tokens, whole = tokenizer([run])[0], tokenizer._table.tokens([[run]])[0]
    for name in ("ids", "starts", "ends", "begins_word"):
        assert np.array_equal(getattr(tokens, name), getattr(whole, name)), name


@given(letter=st.sampled_from(["x", "e\u0301", "\u0301", "\U0001f48a\ufe0f"]), count=st.integers(0, 500))
def test_a_word_that_none_is_as_long_as_is_cut_between_letters(
    tokenizer: DocumentTokenizer, letter: str, count: int
) -> None:
    parts = list(tokenization._parts(letter * count))
    assert "".join(parts) == letter * count
    assert all(len(part) <= tokenization.LONGEST_CHUNK + 1 for part in parts) or letter == "\u0301"
    assert not any(word_table.belongs_to_previous(part[0]) for part in parts[1:])


@pytest.mark.parametrize("name", ["es"])
def test_a_picture_in_digits_takes_no_longer_than_its_size(tokenizer: DocumentTokenizer, name: str) -> None:
    """WordPiece would take the cube: half an hour for these."""
    digits = "0a9f" * 10_000
    (tokens,) = tokenizer([f"Toma aspirina.\n{digits}\nAlta."])
    assert tokens.ends[-1] == len(digits) + 21
    assert tokens.begins_word.sum() == 3 + 400 + 2


def test_half_a_million_characters_without_space_are_read_in_pieces(
    tokenizer: DocumentTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenization, "PIECE_CHARS", 20)
    monkeypatch.setattr(tokenization, "SEGMENT_CHARS", 50)
    text = "aspirina " * 3 + "x\u0301" * 100 + " alta"
    pieces = list(tokenization._pieces(text))
    assert [first for first, _ in pieces[1:]] == [last for _, last in pieces[:-1]]
    assert max(last - first for first, last in pieces) <= 51
    assert not any(word_table.belongs_to_previous(text[first]) for first, _ in pieces)
    assert cuts(text, tokenizer([text])[0])[-1] == "alta"


def test_a_text_without_any_space_stays_whole(tokenizer: DocumentTokenizer) -> None:
    tokens = tokenizer(["x." * 30_000])[0]
    assert len(tokens) == 60_000
    assert tokens.ends[-1] == 60_000


@settings(max_examples=50, deadline=None)
@given(more=st.lists(awkward_texts, max_size=4))
@pytest.mark.parametrize("name", ["tiny", "es", "byte-level", "metaspace", "bare metaspace"])
def test_texts_of_a_batch_do_not_touch_each_other(tokenizer: DocumentTokenizer, name: str, more: list[str]) -> None:
    backend = tokenizer.backend if name == "tiny" else BACKENDS[name]
    company = DocumentTokenizer(backend, (), (), 0)
    texts = ["dolor agudo\n", " ", "", "dolor ", "aspirina 100 mg/día " * 500, "ao\u0301rtica\r\n", *more, "fin"]
    for text, tokens in zip(texts, company(texts), strict=True):
        alone = DocumentTokenizer(backend, (), (), 0)([text])[0]
        assert len(tokens) == len(alone)
        assert (tokens.ids == alone.ids).all()
        assert (tokens.starts == alone.starts).all()
        assert (tokens.ends == alone.ends).all()
        assert tokens.ids.tolist() == backend.encode(text, add_special_tokens=False).ids


def test_padding_and_truncation_of_tokenizer_json_are_off(two_group_checkpoint: Path) -> None:
    backend = Tokenizer.from_file(str(two_group_checkpoint / "tokenizer.json"))
    assert backend.truncation is not None
    assert backend.padding is not None
    wrapped = DocumentTokenizer(backend, (), (), 0)
    long, short = wrapped(["dolor agudo " * 50, "dolor"])
    assert (len(long), len(short)) == (100, 1)


def test_the_special_tokens_of_a_window_are_found_and_the_texts_tokens_hold_none(tokenizer: DocumentTokenizer) -> None:
    token_to_id = tokenizer.backend.token_to_id
    assert tokenizer.prefix_ids == (token_to_id("[CLS]"),)
    assert tokenizer.suffix_ids == (token_to_id("[SEP]"),)
    assert tokenizer.pad_id == token_to_id("[PAD]")
    assert tokenizer.n_special_tokens == 2
    assert pieces_of(tokenizer, tokenizer(["dolor agudo"])[0]) == ["dolor", "agudo"]


def test_word_places_join_the_pieces_of_a_word(tokenizer: DocumentTokenizer) -> None:
    text = "xdolor 100mg, ao\u0301rticas"
    tokens = tokenizer([text])[0]
    first, starts, ends = tokens.word_places()
    assert [text[s:e] for s, e in zip(starts, ends, strict=True)] == ["xdolor", "100mg", ",", "ao\u0301rticas"]
    assert len(tokens) > len(first)
    assert tokens.begins_word[first].all()
    assert (starts == tokens.starts[first]).all()


@settings(max_examples=100, deadline=None)
@given(text=awkward_texts)
def test_words_are_whole_and_cover_every_token(tokenizer: DocumentTokenizer, text: str) -> None:
    tokens = tokenizer([text])[0]
    first, starts, ends = tokens.word_places()
    pieces = pieces_of(tokenizer, tokens)
    assert [not piece.startswith("##") for piece in pieces] == tokens.begins_word.tolist()
    owner = np.searchsorted(first, np.arange(len(tokens)), side="right") - 1
    assert (starts[owner] <= tokens.starts).all()
    assert (tokens.ends <= ends[owner]).all()


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(awkward_texts, max_size=4))
@pytest.mark.parametrize("name", ["tiny", "es", "byte-level", "metaspace"])
def test_words_read_one_by_one_have_the_tokens_of_the_whole_text(
    tokenizer: DocumentTokenizer, name: str, texts: list[str]
) -> None:
    backend = tokenizer.backend if name == "tiny" else BACKENDS[name]
    by_words, whole = DocumentTokenizer(backend, (), (), 0), DocumentTokenizer(backend, (), (), 0)
    object.__setattr__(whole, "word_by_word", False)
    assert by_words.word_by_word
    for found, expected in zip(by_words(texts), whole(texts), strict=True):
        for column in ("ids", "starts", "ends", "begins_word"):
            assert getattr(found, column).tolist() == getattr(expected, column).tolist(), column


def test_a_tokenizer_that_does_not_split_at_space_reads_whole_pieces() -> None:
    unsplit = Tokenizer(BPE({"a": 0, "b": 1, " ": 2, "a b": 3, "a ": 4}, [("a", " "), ("a ", "b")]))
    wrapped = DocumentTokenizer(unsplit, (), (), 0)
    assert not wrapped.word_by_word
    assert wrapped(["a b"])[0].ids.tolist() == [3]


@pytest.mark.parametrize("added", [AddedToken("alta medica"), AddedToken("mg", rstrip=True)])
def test_added_tokens_that_hold_or_swallow_space_are_not_cut(added: AddedToken) -> None:
    backend = Tokenizer.from_str(BACKENDS["es"].to_str())
    assert DocumentTokenizer(backend, (), (), 0).word_by_word
    backend.add_tokens([added])
    wrapped = DocumentTokenizer(backend, (), (), 0)
    assert not wrapped.word_by_word
    expected = backend.encode("5 mg alta medica hoy", add_special_tokens=False)
    assert wrapped(["5 mg alta medica hoy"])[0].ids.tolist() == expected.ids


def test_a_full_table_is_emptied_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_table, "MAX_CHARS", 40)
    wrapped = DocumentTokenizer(BACKENDS["es"], (), (), 0)
    texts = [f"paciente {n} con fiebre de {n * 7} grados" for n in range(20)]
    sizes = []
    for text in texts:
        (tokens,) = wrapped([text])
        assert tokens.ids.tolist() == BACKENDS["es"].encode(text, add_special_tokens=False).ids
        sizes.append(len(wrapped._table._rows))
    assert max(sizes) <= 14
    assert min(sizes[1:]) <= 7


def test_a_word_met_before_is_not_tokenised_again() -> None:
    wrapped = DocumentTokenizer(BACKENDS["es"], (), (), 0)
    (first,) = wrapped(["Toma enalapril 5 mg"])
    wrapped._table._backend = None  # type: ignore[assignment]
    (again,) = wrapped(["Toma enalapril 5 mg"])
    assert again.ids.tolist() == first.ids.tolist()
    with pytest.raises(AttributeError):
        wrapped(["furosemida"])


def test_threads_that_share_a_tokenizer_do_not_disturb_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_table, "MAX_CHARS", 300)  # emptied all the time
    wrapped = DocumentTokenizer(BACKENDS["es"], (), (), 0)
    texts = [" ".join(f"dolor{n * k} mg" for k in range(60)) for n in range(60)]
    expected = [BACKENDS["es"].encode(text, add_special_tokens=False).ids for text in texts]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            found = list(threads.map(lambda text: wrapped([text])[0].ids.tolist(), texts))
            assert found == expected
