"""Pieces a word, counted by hand."""

from pathlib import Path

from cardio_training.fertility import Fertility, measure_fertility


def test_words_pieces_and_unknown_characters_are_counted(two_group_checkpoint: Path) -> None:
    # dolor · 5 · mg · , · i ##n ##g ##e ##s ##t ##a and [UNK] for the word with an Ω
    text = "Dolor 5 mg, ingesta ΩΩ \u0301"
    expected = Fertility(words=6, pieces=12, letter_words=5, letter_pieces=11, unknown_characters=2)
    assert measure_fertility(two_group_checkpoint, [text]) == expected
    assert measure_fertility(two_group_checkpoint, [text, text]).pieces == 24
