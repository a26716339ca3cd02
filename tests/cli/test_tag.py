"""`cardio-ner tag`, called in-process: what it shows, writes and refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from cardio_ner.checkpoint import WEIGHTS
from cardio_ner.cli import app
from cardio_ner.corpus.brat import read_brat

Run = Callable[..., subprocess.CompletedProcess[str]]

SPANISH = "Toma bisoprolol y apixaban por fibrilación auricular.\r\n"
ENGLISH = "The patient was started on warfarin because of stroke.\n"
UNREADABLE = Path("/proc/self/mem")
"""A file whose bytes nobody reads from its beginning, root neither."""


def mentions(*arguments: str) -> list[dict[str, object]]:
    result = CliRunner().invoke(app, ["tag", "--json", *arguments])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_tag_prints_mentions_as_json_lines_with_exact_offsets(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("Toma bisoprolol 💊 y apixaban.\r\n".encode())
    found = mentions("--language", "es", str(path))
    assert [(m["doc_id"], m["text"], m["start_offset"], m["end_offset"], m["entity_type"]) for m in found] == [
        ("a", "bisoprolol", 5, 15, "MEDICATION"),
        ("a", "apixaban", 20, 28, "MEDICATION"),
    ]
    assert all(0.5 < m["score"] <= 1 for m in found)


def test_tag_reads_standard_input_and_detects_the_language() -> None:
    result = CliRunner().invoke(app, ["tag"], input=ENGLISH)
    assert result.stdout == "The patient was started on warfarin[medication] because of stroke.\n\n"


def test_tag_takes_the_text_itself() -> None:
    result = CliRunner().invoke(app, ["tag", "--text", "Toma bisoprolol.", "--language", "es-ES"])
    assert result.stdout == "Toma bisoprolol[medication].\n"


def test_a_model_whose_logits_are_no_numbers_is_one_line_and_no_text_without_mentions(checkpoint_copy: Path) -> None:
    """Its weights are finite; what they add up to is not."""
    weights = load_file(checkpoint_copy / WEIGHTS)
    weights["bert.encoder.layer.0.output.dense.bias"][::2] = 3e38
    save_file(weights, checkpoint_copy / WEIGHTS, metadata={"format": "pt"})
    result = CliRunner().invoke(
        app, ["tag", "--text", ENGLISH, "--language", "en", "--checkpoint", str(checkpoint_copy)]
    )
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert "units have logits that are no numbers: expected numbers; use precision: fp32" in result.stderr
    assert "warfarin" not in result.stderr


def test_where_nothing_was_found_it_says_what_was_looked_for() -> None:
    spanish, english = "La evolución es buena y no hay datos de interés.\n", "The patient went home and feels well.\n"
    for arguments, said in (
        (["--text", english], "(language en, detected: its checkpoint finds MEDICATION; none found)\n"),
        (
            ["--text", spanish, "--language", "es"],
            "(language es: its checkpoint finds DISEASE and MEDICATION; none found)\n",
        ),
        (["--text", english, "--json"], ""),
        (["--text", ENGLISH], ""),
    ):
        result = CliRunner().invoke(app, ["tag", *arguments])
        assert (result.exit_code, result.stderr) == (0, said)


def test_a_terminal_is_told_the_language_and_what_is_looked_for(tmp_path: Path) -> None:
    terminal, its_program = os.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "cardio_ner", "tag", "--text", ENGLISH],
        stdin=subprocess.DEVNULL, stdout=its_program, stderr=subprocess.PIPE, check=True,
    )  # fmt: skip
    os.close(its_program)
    assert b"warfarin" in os.read(terminal, 10_000)
    os.close(terminal)
    assert done.stderr == b"(language en, detected: its checkpoint finds MEDICATION)\n"


def test_files_of_several_languages_come_back_in_order(tmp_path: Path) -> None:
    for name, text in (("a", SPANISH), ("b", ENGLISH), ("c", SPANISH)):
        (tmp_path / f"{name}.txt").write_bytes(text.encode())
    found = mentions(*(str(tmp_path / f"{name}.txt") for name in "abc"))
    assert [(m["doc_id"], m["language"], m["text"]) for m in found if m["entity_type"] == "MEDICATION"] == [
        ("a", "es", "bisoprolol"),
        ("a", "es", "apixaban"),
        ("b", "en", "warfarin"),
        ("c", "es", "bisoprolol"),
        ("c", "es", "apixaban"),
    ]


def test_brat_writes_the_text_and_its_mentions_as_the_reader_takes_them(tmp_path: Path) -> None:
    note = tmp_path / "a.txt"
    note.write_bytes(SPANISH.encode())
    result = CliRunner().invoke(app, ["tag", "--brat", str(tmp_path), str(note)])  # beside the text is a good place
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"1 documents in {tmp_path}\n")
    (written,) = read_brat(tmp_path, language="es")
    assert written.text == SPANISH
    assert [written.mention(span) for span in written.spans] == [m["text"] for m in mentions(str(note))]


def test_brat_never_writes_over_annotations_or_another_text(tmp_path: Path) -> None:
    note, folder = tmp_path / "a.txt", tmp_path / "brat"
    note.write_bytes(SPANISH.encode())
    folder.mkdir()
    for name, content in (("a.ann", "T1\tDISEASE 0 4\tToma\n"), ("a.txt", "Another text.")):
        (folder / name).write_text(content)
        result = CliRunner().invoke(app, ["tag", "--brat", str(folder), str(note)])
        assert result.exit_code == 2
        assert f"{folder}/a.ann: it, or another text beside it, exists" in result.stderr
        assert [(path.name, path.read_text()) for path in folder.iterdir()] == [(name, content)]
        (folder / name).unlink()


def test_brat_refuses_two_files_of_one_name(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_text(ENGLISH)
    files = [str(tmp_path / folder / "a.txt") for folder in ("x", "y")]
    result = CliRunner().invoke(app, ["tag", "--brat", str(tmp_path / "out"), *files])
    assert result.exit_code == 2
    assert "1 names are of several files (such as 'a')" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        ([], b"", "standard input: empty: expected a text"),
        ([], b" \r\n\t", "standard input: empty: expected a text"),
        ([], "Hipertensión".encode("latin1"), "standard input: byte 10 is not UTF-8"),
        (["latin1.txt"], b"", "latin1.txt: byte 10 is not UTF-8"),
        (["empty.txt"], b"", "empty.txt: empty: expected a text"),
        (["folder"], b"", "folder: a folder: expected text files, such as folder/*.txt"),
        (["nowhere.txt"], b"", "nowhere.txt: no such file"),
        (["good.txt", "german.txt"], b"", "german.txt: seems to be in none of es, en, it: if it is, say which"),
        (["--language", "de", "german.txt"], b"", "--language de: expected one of es, en, it"),
        (["--language", "", "good.txt"], b"", "--language : expected one of es, en, it"),
        (["--text", "Toma.", "good.txt"], b"", "--text and files: expected one of them"),
        (["--json", "--brat", "out", "good.txt"], b"", "--json and --brat: expected one of them"),
        (["--checkpoint", "./nowhere", "good.txt"], b"", "./nowhere: no such folder"),
        (["--checkpoint", "folder", "good.txt"], b"", "folder: no config.json"),
        (["--brat", "good.txt/x", "good.txt"], b"", "good.txt/x: Not a directory"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], stdin: bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("latin1.txt").write_bytes("Hipertensión".encode("latin1"))
    Path("empty.txt").touch()
    Path("good.txt").write_text(ENGLISH)
    Path("german.txt").write_text("Der Patient nimmt Apixaban wegen Vorhofflimmern und klagt nicht.")
    result = CliRunner().invoke(app, ["tag", *arguments], input=stdin)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {said}")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert not any(word in result.stderr for word in ("Hipert", "Patient", "warfarin"))


def test_files_of_one_name_are_told_apart_by_their_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("x/a.txt", "y/a.txt", "y/b.txt"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(ENGLISH)
    found = mentions("x/a.txt", "./y/a.txt", "y/b.txt")
    assert list(dict.fromkeys(m["doc_id"] for m in found)) == ["x/a", "y/a", "b"]


def test_files_that_differ_in_their_suffixes_alone_are_told_apart_by_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("visit.1", "visit.2", "other.3"):
        Path(name).write_text(ENGLISH)
    found = mentions("visit.1", "visit.2", "other.3")
    assert list(dict.fromkeys(m["doc_id"] for m in found)) == ["visit.1", "visit.2", "other"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tag --text \"$(printf 'Toma \\355 apixaban')\"", "error: --text: not UTF-8: expected a text in UTF-8"),
        (
            "tag --json \"$(printf 'a\\355.txt')\"",
            "error: --json: 'a\\udced' is not UTF-8: expected a file whose name is",
        ),
        ("tag <&-", "error: standard input: closed: expected a text there"),
    ],
)
def test_what_is_not_utf8_or_closed_is_one_line_and_exit_code_2(
    program: Run, tmp_path: Path, line: str, said: str
) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xed.txt")).write_text(ENGLISH)
    done = program(shell=f"cardio-ner {line}")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert done.stderr.startswith(said)


@pytest.mark.skipif(not UNREADABLE.exists(), reason="Linux alone has such a file")
def test_a_file_that_cannot_be_read_is_named() -> None:
    result = CliRunner().invoke(app, ["tag", str(UNREADABLE)])
    assert (result.exit_code, result.stderr) == (
        2,
        "error: /proc/self/mem: Input/output error: expected a file that can be read\n",
    )


def test_another_language_takes_a_checkpoint_of_its_own(hub_checkpoint: Path) -> None:
    found = mentions("--language", "de", "--checkpoint", str(hub_checkpoint), "--text", "Aspirina 5 mg sin dolor y con")
    assert {m["language"] for m in found} == {"de"}
