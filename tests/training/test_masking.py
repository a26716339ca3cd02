"""What is hidden, and which rows are read when."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from cardio_training.dataset import IGNORED
from cardio_training.masking import MaskingCollator, RowsInOrder, one_pass, word_starts
from cardio_training.packing import PackedTexts, Region

N_PIECES = 20
STARTS = np.array([True] * 10 + [False] * 10)
"""Pieces 0 to 4 are special, 5 to 9 begin a word, 10 to 19 go on with one."""
MASK = 4
REGIONS = (
    Region("a", "es", held_out=False, weight=2.5, first=0, rows=40),
    Region("b", "it", held_out=False, weight=1.0, first=40, rows=10),
    Region("held out", "es", held_out=True, weight=1.0, first=50, rows=5),
)


def collator(masking: float = 0.3, seed: int = 1) -> MaskingCollator:
    return MaskingCollator((2,), (3,), MASK, (0, 1, 2, 3, 4), STARTS, masking, seed)


rows_of_pieces = st.lists(st.sampled_from([3, *range(5, N_PIECES)]), min_size=1, max_size=60).map(
    lambda ids: np.array([5, *ids], dtype=np.uint16)
)


@settings(max_examples=200, deadline=None)
@given(row=rows_of_pieces, place=st.integers(0, 1000))
def test_words_are_hidden_whole_and_special_pieces_never(row: np.ndarray, place: int) -> None:
    batch = collator()([(row, place)])
    ids, labels = batch["input_ids"][0].numpy(), batch["labels"][0].numpy()
    assert (ids[0], ids[-1]) == (2, 3)
    assert (labels[0], labels[-1]) == (IGNORED, IGNORED)
    ids, labels = ids[1:-1], labels[1:-1]
    hidden = labels != IGNORED
    assert hidden.any()
    assert (labels[hidden] == row[hidden]).all()
    assert (ids[hidden] == MASK).all()
    assert (ids[~hidden] == row[~hidden]).all()
    assert not hidden[row == 3].any()
    words = np.cumsum(STARTS[row])
    assert all(len(set(hidden[words == word])) == 1 for word in set(words))


def test_so_many_words_are_hidden_as_asked() -> None:
    row = np.tile(np.array([5, 10, 6, 7], dtype=np.uint16), 30)
    labels = collator(masking=0.25)([(row, place) for place in range(100)])["labels"][:, 1:-1]
    words = labels[:, STARTS[row]] != IGNORED
    assert 0.23 < words.float().mean() < 0.27


def test_the_same_place_of_a_run_hides_the_same_and_another_place_or_seed_does_not() -> None:
    row = np.tile(np.array([5, 6, 7, 8], dtype=np.uint16), 10)

    def hidden(seed: int, place: int) -> list[int]:
        return collator(seed=seed)([(row, place)])["labels"][0].tolist()

    assert hidden(1, 7) == hidden(1, 7)
    assert hidden(1, 7) != hidden(1, 8)
    assert hidden(1, 7) != hidden(2, 7)


def test_a_pass_reads_each_row_as_often_as_its_weight_says_and_no_held_out_row() -> None:
    counts = np.bincount(one_pass(REGIONS, np.random.default_rng(3)), minlength=55)
    assert set(counts[:40]) == {2, 3}
    assert set(counts[40:50]) == {1}
    assert not counts[50:].any()


def test_a_run_is_passes_one_after_the_other_each_in_an_order_of_its_own() -> None:
    texts = PackedTexts(np.zeros((55, 4), dtype=np.uint16), REGIONS, "digest")
    first_pass = len(one_pass(REGIONS, np.random.default_rng((9, 0))))
    order = RowsInOrder.plan(texts, 150, seed=9).order
    assert len(order) == 150
    assert (order[:first_pass] == one_pass(REGIONS, np.random.default_rng((9, 0)))).all()
    again = order[first_pass:]
    assert (again != order[: len(again)]).any()
    assert (RowsInOrder.plan(texts, 80, seed=9).order == order[:80]).all()


def test_rows_come_with_their_place_in_the_run() -> None:
    texts = PackedTexts(np.arange(220, dtype=np.uint16).reshape(55, 4), REGIONS, "digest")
    rows = RowsInOrder.plan(texts, 30, seed=9)
    row, place = rows[11]
    assert place == 11
    assert row.tolist() == texts.ids[rows.order[11]].tolist()


def test_held_out_rows_are_all_or_so_many_spread_over_them() -> None:
    texts = PackedTexts(np.zeros((55, 4), dtype=np.uint16), REGIONS, "digest")
    assert RowsInOrder.held_out(texts, "es", 9).order.tolist() == [50, 51, 52, 53, 54]
    assert RowsInOrder.held_out(texts, "es", 3).order.tolist() == [50, 52, 54]
    assert RowsInOrder.held_out(texts, "es", 1).order.tolist() == [50]


def test_continuation_pieces_begin_no_word(two_group_checkpoint: Path, learnt: PreTrainedTokenizerFast) -> None:
    tokenizer = AutoTokenizer.from_pretrained(two_group_checkpoint)
    starts = word_starts(tokenizer)
    assert starts[tokenizer.encode("dolor")].all()
    assert not starts[tokenizer.convert_tokens_to_ids("##osis")]
    ids = learnt.encode("estenosis aórtica, dolor\N{SNOWMAN}", add_special_tokens=False)
    encoding = learnt.backend_tokenizer.encode("estenosis aórtica, dolor\N{SNOWMAN}", add_special_tokens=False)
    words = np.array([-1 if word is None else word for word in encoding.word_ids])
    assert word_starts(learnt)[ids].tolist() == [True, *(words[1:] != words[:-1])]


@pytest.mark.parametrize("masking", [0.05, 0.9])
def test_a_row_of_one_word_always_hides_it(masking: float) -> None:
    labels = collator(masking)([(np.array([5, 10], dtype=np.uint16), place) for place in range(20)])["labels"]
    assert (labels[:, 1:-1] != IGNORED).all()
