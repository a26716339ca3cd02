"""What is printed for a person: tables of awkward values, on narrow consoles and wide ones."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from cardio_ner.report.terminal import PIPED_WIDTH, open_console, printable, table_of

LONG = "insuficiencia" * 12


def shown(*rows: tuple[object, ...], width: int) -> str:
    console = Console(width=width, file=io.StringIO())
    console.print(table_of(("mention", "times"), rows))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_control_characters_are_dropped_and_all_others_kept() -> None:
    kept = "a\tb\nc\u00a0é\u200b👨‍⚕️[/b]"
    assert printable(f"\x00{kept}\x1b\r\x7f\x9b\x85") == kept


def test_markup_and_control_characters_in_a_cell_are_not_obeyed() -> None:
    assert "│ [red]x[/red][31m │" in shown(("[red]x[/red]\x1b[31m", 1), width=200)


def test_a_cell_that_is_too_wide_goes_on_in_the_next_line() -> None:
    cells = [line.split("│")[1].strip() for line in shown((LONG, 1), width=40).splitlines() if line.startswith("│")]
    assert len(cells) > 1
    assert "".join(cells) == LONG


def test_numbers_stand_to_the_right_and_nothing_stands_for_none() -> None:
    lines = shown(("HTA", 1), (None, 1000), width=80).splitlines()
    assert "│ HTA     │     1 │" in lines
    assert "│         │  1000 │" in lines


def test_a_console_that_is_no_terminal_is_as_wide_as_any_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert open_console().width == PIPED_WIDTH
