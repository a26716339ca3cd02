"""Learning a vocabulary: words as in serving, every character read, offsets exact."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from awkward_texts import awkward_texts
from cardio_ner.encoder import wrap_tokenizer
from cardio_training.pretraining_recipe import VocabularyRecipe
from cardio_training.vocabulary import BYTES, SPECIAL, learn_vocabulary, model_kind, piece_text
from tiny_texts import sentences

SNOWMAN = "\N{SNOWMAN}"
TEXTS = ["Estenosis aórtica. " * 30, "Acción, canción y pasión: " * 30]


def learn(texts: list[str], **recipe: object) -> PreTrainedTokenizerFast:
    values = {"pieces": 1_000, "common_character": 20, **recipe}
    return learn_vocabulary(lambda: texts, VocabularyRecipe.model_validate(values), characters_of=lambda: texts)


def pieces_of(tokenizer: PreTrainedTokenizerFast, text: str) -> list[str]:
    return tokenizer.convert_ids_to_tokens(tokenizer.encode(text, add_special_tokens=False))


def without_space(text: str) -> str:
    return "".join(c for c in text if not c.isspace() and unicodedata.category(c) not in ("Cc", "Cf"))


def test_the_vocabulary_has_the_size_asked_for_and_the_special_pieces_first(learnt: PreTrainedTokenizerFast) -> None:
    vocabulary = learnt.get_vocab()
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))
    assert [vocabulary[piece] for piece in SPECIAL.values()] == [0, 1, 2, 3, 4]
    assert len(vocabulary) <= 1_200
    assert learnt.encode("dolor")[0] == 2
    assert learnt.encode("dolor")[-1] == 3


def test_a_frequent_word_is_one_piece() -> None:
    assert pieces_of(learn(TEXTS), "estenosis aórtica") == ["estenosis", "aórtica"]


def test_what_formats_a_text_parts_no_word() -> None:
    """A soft hyphen, a zero-width space, a word joiner, a byte order mark."""
    assert pieces_of(learn(TEXTS), "\ufeffeste\u00adno\u200bsis a\u2060órtica") == ["estenosis", "aórtica"]


@settings(max_examples=200, deadline=None)
@given(text=awkward_texts)
def test_every_character_stands_in_a_token_and_the_tokens_in_the_text(
    learnt: PreTrainedTokenizerFast, text: str
) -> None:
    tokens = wrap_tokenizer(learnt)([text])[0]
    read = [False] * len(text)
    for start, end in zip(tokens.starts, tokens.ends, strict=True):
        assert 0 <= start <= end <= len(text)
        read[start:end] = [True] * (end - start)
    assert all(seen for seen, c in zip(read, text, strict=True) if without_space(c))
    assert all(tokens.starts[1:] >= tokens.starts[:-1])


@settings(max_examples=200, deadline=None)
@given(text=awkward_texts)
def test_words_are_those_of_bert_but_that_a_rare_character_may_stand_alone(
    learnt: PreTrainedTokenizerFast, text: str
) -> None:
    tokens = wrap_tokenizer(learnt)([text])[0]
    _, starts, ends = tokens.word_places()
    normalized = learnt.backend_tokenizer.normalizer.normalize_str(text)
    expected = [word for word, _ in BertPreTokenizer().pre_tokenize_str(normalized)]
    found = "".join(without_space(text[s:e]) for s, e in zip(starts, ends, strict=True))
    assert unicodedata.normalize("NFC", found.lower()) == unicodedata.normalize("NFC", "".join(expected).lower())
    if model_kind(learnt) == "Unigram":
        assert len(starts) == len(expected)


def test_an_unknown_character_is_spelt_in_bytes_or_is_one_unknown_and_its_neighbours_stay(
    learnt: PreTrainedTokenizerFast,
) -> None:
    pieces = pieces_of(learnt, f"auricular{SNOWMAN}auricular")
    whole = pieces_of(learnt, "auricular")[0]
    if model_kind(learnt) == "Unigram":
        assert [BYTES.index(piece) for piece in pieces if piece in BYTES] == list(SNOWMAN.encode())
        assert "[UNK]" not in pieces
    else:
        assert pieces == [whole, "[UNK]", whole]
    tokens = wrap_tokenizer(learnt)([f"auricular {SNOWMAN}\r\nauricular"])[0]
    assert (10, 11) in set(zip(tokens.starts.tolist(), tokens.ends.tolist(), strict=True))


def test_a_rare_character_gets_one_piece_and_no_part_in_words() -> None:
    tokenizer = learn([*TEXTS, *["5 µg"] * 6], rare_character=6)
    assert pieces_of(tokenizer, "5µg")[1] == "µ"
    assert not any("µ" in piece for piece in tokenizer.get_vocab() if piece != "µ")


@pytest.mark.parametrize(
    ("recipe", "piece"), [({}, "acción"), ({"lowercase": False}, "Acción"), ({"strip_accents": True}, "accion")]
)
def test_case_and_accents_are_as_the_recipe_says(recipe: dict[str, bool], piece: str) -> None:
    assert {"acción", "Acción", "accion", "Accion"} & learn(TEXTS, **recipe).get_vocab().keys() == {piece}


def test_characters_may_be_counted_in_more_texts_than_the_pieces() -> None:
    recipe = VocabularyRecipe(pieces=1_000, common_character=20, rare_character=2)
    tokenizer = learn_vocabulary(lambda: TEXTS, recipe, characters_of=lambda: [*TEXTS, "☤", "☤"])
    assert pieces_of(tokenizer, "☤☣") == ["☤", "[UNK]"]


def test_latin_and_greek_letters_have_a_piece_even_where_no_text_has_them() -> None:
    assert pieces_of(learn(TEXTS), "ƒ Ń ω ı") == ["ƒ", "ń", "ω", "ı"]


def test_a_form_feed_parts_two_words(learnt: PreTrainedTokenizerFast) -> None:
    tokens = wrap_tokenizer(learnt)(["dolor\x0cdolor"])[0]
    _, starts, ends = tokens.word_places()
    assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == [(0, 5), (6, 11)]


def test_a_word_of_ten_thousand_letters_is_read(learnt: PreTrainedTokenizerFast) -> None:
    tokens = wrap_tokenizer(learnt)(["auricular" * 1200])[0]
    assert learnt.unk_token_id not in tokens.ids
    assert tokens.ends[-1] == 9 * 1200


def test_a_saved_vocabulary_reads_alike(learnt: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    learnt.save_pretrained(tmp_path)
    text = f"Estenosis aórtica {SNOWMAN} 5 μg/día.\r\nDolor"
    assert AutoTokenizer.from_pretrained(tmp_path).encode(text) == learnt.encode(text)


@pytest.mark.parametrize(
    ("piece", "kind", "read"),
    [
        ("dolor", "WordPiece", ("dolor", True)),
        ("##osis", "WordPiece", ("osis", False)),
        ("▁dolor", "Unigram", ("dolor", True)),
        ("osis", "Unigram", ("osis", False)),
        ("▁", "Unigram", ("", True)),
        ("<0x41>", "Unigram", None),
        ("[MASK]", "WordPiece", None),
    ],
)
def test_a_piece_says_what_it_spells_and_where(piece: str, kind: str, read: tuple[str, bool] | None) -> None:
    assert piece_text(piece, kind) == read


def test_the_same_texts_give_the_same_vocabulary() -> None:
    texts = [sentences(language, 3, number) for language in ("es", "en", "it") for number in range(20)]
    assert learn(texts).get_vocab() == learn(list(texts)).get_vocab()
