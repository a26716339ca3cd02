"""`cardio-ner` as a whole, as a program of its own: what it loads, how it ends, what a shell gets from it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cardio_ner.cli import app
from hand_tables import document, span, write_documents, write_spans

Run = Callable[..., subprocess.CompletedProcess[str]]

LOADED = """
import sys
from cardio_ner.cli import app
try:
    app(sys.argv[1:], prog_name="cardio-ner")
except SystemExit as end:
    assert not end.code, end.code
loaded = {"torch", "transformers", "pyspark", "duckdb", "rich.table", "numpy"} & set(sys.modules)
sys.stderr.write(" ".join(sorted(loaded)))
"""
HUNGRY = "SELECT range AS n FROM range(100000)"
PIPE = "read_csv('PIPE', columns = {'n': 'INT'})"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    write_documents(tmp_path / "out", document("a", "b1-0", at=1))
    return write_spans(tmp_path / "out", span("a", "b1-0", "HTA"))


@pytest.mark.parametrize(
    ("arguments", "loaded"),
    [
        (["--version"], ""),
        (["query", "OUT", "SELECT 1"], "duckdb numpy rich.table"),
        (["query", "OUT", "SELECT 1", "--csv"], "duckdb numpy"),
        (["report", "OUT"], "duckdb numpy rich.table"),
        (["evaluate", "--gold", "examples/gold", "--spans", "examples/gold"], "rich.table"),
        (["models"], "numpy rich.table"),
    ],
)
def test_a_command_loads_no_more_than_it_needs(arguments: list[str], loaded: str, output: Path) -> None:
    root = Path(__file__).parents[2]
    given = [str(output) if argument == "OUT" else argument for argument in arguments]
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *given], cwd=root, capture_output=True, text=True, check=True, timeout=120
    )
    assert set(done.stderr.splitlines()[-1].split() if done.stderr else []) <= set(loaded.split())


def test_the_version_is_that_of_the_package(program: Run) -> None:
    assert program("--version").stdout == f"cardio-ner {version('cardio-ner')}\n"


def test_no_arguments_show_the_commands_and_the_exit_codes() -> None:
    result = CliRunner().invoke(app, [])
    for name in ("tag", "query", "report", "evaluate", "models", "doctor", "Exit codes: 0 done;"):
        assert name in result.output


def test_help_promises_diseases_in_spanish_alone() -> None:
    shown = " ".join(CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output.split())
    assert "Find medications in Spanish, English and Italian cardiology records, and diseases in Spanish ones." in shown


def test_a_wrong_option_is_exit_code_2_and_names_the_help() -> None:
    result = CliRunner().invoke(app, ["tag", "--lnguage", "es"])
    assert result.exit_code == 2
    assert "--help" in result.stderr
    assert "--language" in result.stderr  # what may have been meant


def test_a_shell_is_told_how_to_complete_commands_and_values(program: Run) -> None:
    def complete(line: str) -> list[str]:
        words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
        return program(_CARDIO_NER_COMPLETE="complete_bash", **words).stdout.split()

    assert complete("cardio-ner q") == ["query"]
    assert complete("cardio-ner query out --top ") == ["medications", "diseases"]
    assert complete("cardio-ner tag --language e") == ["es", "en"]
    assert complete("cardio-ner models f") == ["fetch"]


def test_a_pipe_gets_no_colour_and_a_terminal_does(program: Run, output: Path) -> None:
    query = ("query", str(output), "SELECT text FROM spans")
    assert "\x1b" not in program(*query).stdout
    assert "\x1b[" in program(*query, FORCE_COLOR="1").stdout


def test_a_reader_that_goes_away_is_no_error(program: Run, output: Path) -> None:
    done = program(shell=f'cardio-ner query {output} "{HUNGRY}" --csv | head -n 2')
    assert (done.stdout, done.stderr) == ("n\n0\n", "")


@pytest.mark.parametrize(
    "arguments", ["models --json", "models", "--help", "models --help", "--version", "query OUT 'SELECT 1' --csv"]
)
def test_where_nobody_reads_the_answer_it_ends_as_other_programs_do(program: Run, output: Path, arguments: str) -> None:
    command = f"cardio-ner {arguments.replace('OUT', str(output))}"
    done = program(shell=f"{{ sleep 0.2; {command}; echo $? >&2; }} | true")
    assert (done.stdout, done.stderr) == ("", "141\n")


@pytest.mark.parametrize("arguments", ["models", "models --json", "query OUT 'SELECT 1' --csv"])
def test_where_standard_output_is_closed_no_answer_is_lost_in_silence(
    program: Run, output: Path, arguments: str
) -> None:
    done = program(shell=f"cardio-ner {arguments.replace('OUT', str(output))} >&-")
    assert done.returncode == 2
    assert done.stderr.startswith("error: standard output: closed: expected somewhere for the answer")


@pytest.mark.parametrize(
    "arguments", ["query OUT 'SELECT chr(9731)'", "query OUT 'SELECT chr(9731)' --csv", "report OUT"]
)
def test_an_answer_that_the_terminal_s_encoding_lacks_characters_for_is_one_line(
    program: Run, output: Path, arguments: str
) -> None:
    write_spans(output, span("a", "b1-0", "\N{SNOWMAN}", entity_type="MEDICATION"))
    done = program(shell=f"cardio-ner {arguments.replace('OUT', str(output))}", PYTHONIOENCODING="latin-1")
    assert done.returncode == 2
    assert done.stderr.startswith("error: the answer has a character that latin-1, the encoding here, lacks: expected")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "begun"),
    [
        ("tag PIPE", ""),
        (f"query OUT SELECT * FROM {PIPE}", ""),
        (f"query OUT SELECT count(*) FROM {PIPE}, range(1000000000000) WHERE (n + range) % 7 = 3", "1"),
    ],
)
def test_an_interrupt_ends_with_130(output: Path, tmp_path: Path, command: str, begun: str) -> None:
    waiting = tmp_path / "pipe"
    os.mkfifo(waiting)
    arguments = [word.replace("PIPE", str(waiting)).replace("OUT", str(output)) for word in command.split(" ", 2)]
    # Where the tests run in a shell's background, interrupts are ignored, and programs inherit that.
    process = subprocess.Popen(
        [sys.executable, "-m", "cardio_ner", *arguments],
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  the child execs at once
    )
    with process, waiting.open("w") as pipe:  # opens once the program reads
        if begun:
            pipe.write(begun)
            pipe.close()
            time.sleep(1)
        process.send_signal(signal.SIGINT)
        try:
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, said) == (130, b"")
