"""`cardio-ner query` over hand-made tables: answers as a table and as CSV, and wrong questions."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path
from unicodedata import normalize

import pytest
from typer.testing import CliRunner

from cardio_ner.cli import app
from hand_tables import document, span, write_documents, write_spans

LONG = "insuficiencia cardíaca con fracción de eyección conservada y fibrilación auricular permanente no anticoagulada"


@pytest.fixture
def output(tmp_path: Path) -> str:
    """Three notes: two with apixaban, one also with diseases of awkward names."""
    write_documents(tmp_path, *(document(name, "b1-0", at=1) for name in "abc"))
    medication = {"entity_type": "MEDICATION"}
    write_spans(
        tmp_path,
        span("a", "b1-0", "Apixaban", **medication),
        span("b", "b1-0", "apixaban", **medication),
        span("c", "b1-0", "digoxina", **medication),
        span("c", "b1-0", "HTA [/bold]", start=20),
        span("c", "b1-0", LONG, start=40),
        span("c", "b1-0", 'Fallo "renal",\nagudo\x1b[2J', start=200),
    )
    return str(tmp_path)


def ask(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["query", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_an_answer_is_a_table_that_is_not_cut_where_it_is_no_terminal(output: str) -> None:
    shown = ask(output, "SELECT text, start_offset FROM spans_current WHERE start_offset = 40")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines() if line[0] == "│"]
    assert rows == [[LONG, "40"]]
    assert "┃ text" in shown


def test_values_are_shown_and_not_obeyed(output: str) -> None:
    shown = ask(output, "SELECT text, NULL AS nothing FROM spans_current WHERE start_offset IN (20, 200)")
    assert "HTA [/bold]" in shown
    assert "\x1b" not in shown
    assert "None" not in shown


def test_csv_has_a_header_and_every_character(output: str) -> None:
    told = ask(output, "SELECT doc_id, text FROM spans_current WHERE start_offset >= 40 ORDER BY start_offset", "--csv")
    assert list(csv.reader(io.StringIO(told, newline=""))) == [
        ["doc_id", "text"],
        ["c", LONG],
        ["c", 'Fallo "renal",\nagudo\x1b[2J'],
    ]


def test_top_counts_mentions_in_small_letters_most_frequent_first(output: str) -> None:
    medications = "language,mention,mentions,records,mean_score\nes,apixaban,2,2,0.5\nes,digoxina,1,1,0.5\n"
    assert ask(output, "--top", "medications", "--csv") == medications
    assert ask(output, "--top", "medications", "--limit", "1", "--csv") == "".join(medications.splitlines(True)[:2])
    assert "hta [/bold]" in ask(output, "--top", "diseases")


def test_top_counts_accents_however_they_are_written(tmp_path: Path) -> None:
    write_documents(tmp_path, document("a", "b1-0", at=1), document("b", "b1-0", at=1))
    for doc_id, form in (("a", "NFC"), ("b", "NFD")):
        write_spans(tmp_path, span(doc_id, "b1-0", normalize(form, "Derrame pericárdico")))
    told = ask(str(tmp_path), "--top", "diseases", "--csv")
    assert told.splitlines()[1:] == [f"es,{normalize('NFC', 'derrame pericárdico')},2,2,0.5"]


@pytest.mark.parametrize(("types", "there"), [(["DRUG", "PROC"], "DRUG, PROC"), ([], "no mentions at all")])
def test_top_of_a_type_that_is_not_there_says_which_are(tmp_path: Path, types: list[str], there: str) -> None:
    write_documents(tmp_path, document("a", "b1-0", at=1))
    write_spans(tmp_path, *(span("a", "b1-0", "losartan", start=8 * n, entity_type=its) for n, its in enumerate(types)))
    result = CliRunner().invoke(app, ["query", str(tmp_path), "--top", "medications", "--csv"])
    assert result.exit_code == 0
    assert result.stderr == f"(no mention is a MEDICATION: the tables have {there})\n"
    assert result.stdout == "language,mention,mentions,records,mean_score\n"


def test_the_views_are_there(output: str) -> None:
    for view in ("documents", "spans", "documents_current", "spans_current", "note_nlp"):
        assert ask(output, f"SELECT count(*) > 0 AS some FROM {view}", "--csv") == "some\nTrue\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["OUTPUT", "SELEC 1"], "the SQL is wrong: Parser Error"),
        (["OUTPUT", "SELECT nothing FROM spans"], "the SQL is wrong: Binder Error"),
        (["OUTPUT", "SELECT * FROM spams"], "the SQL is wrong: Catalog Error"),
        (
            ["OUTPUT", "SELECT '2024-13-01'::DATE FROM spans"],
            "the SQL is wrong: Conversion Error: date field value out",
        ),
        (["OUTPUT", "SELECT regexp_matches(text, '(') FROM spans"], "the SQL is wrong: Invalid Input Error: missing )"),
        (["OUTPUT", "SELECT * FROM '/nowhere.csv'"], "the SQL is wrong: IO Error"),
        (["OUTPUT", ""], "the SQL has 0 statements: expected one"),
        (["OUTPUT", "SELECT '\udce1'"], "the SQL is not UTF-8: expected UTF-8"),
        (["OUTPUT", "-- nothing"], "the SQL has 0 statements: expected one"),
        (["OUTPUT", "SELECT 1; SELECT 2"], "the SQL has 2 statements: expected one"),
        (["OUTPUT", "SELECT $drug"], "the SQL has parameters (drug): expected values in their place"),
        (["OUTPUT", "SELECT 1", "--limit", "3"], "--limit: expected with --top"),
        (["OUTPUT"], "query: expected either an SQL query or --top"),
        (["OUTPUT", "SELECT 1", "--top", "diseases"], "query: expected either an SQL query or --top"),
        (["/nowhere", "SELECT 1"], "/nowhere: no documents table: expected the --output folder"),
        (["OUTPUT/spans", "SELECT 1"], "OUTPUT/spans: no documents table"),
    ],
)
def test_a_wrong_question_is_an_error_and_exit_code_2(output: str, arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["query", *(argument.replace("OUTPUT", output) for argument in arguments)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {said.replace('OUTPUT', output)}")


@pytest.mark.parametrize(
    "rows", ["spans", "spans_current, range(1000000000000)", "read_parquet('OUTPUT/spans/**/*.parquet')"]
)
def test_an_error_over_rows_does_not_quote_them(output: str, rows: str) -> None:
    sql = f"SELECT CAST(text AS INTEGER) FROM {rows.replace('OUTPUT', output)}"
    result = CliRunner().invoke(app, ["query", output, sql])
    assert result.exit_code == 2
    assert "ConversionException" in result.stderr
    assert "try_cast" in result.stderr
    assert "apixaban" not in result.stderr.lower()


@pytest.mark.parametrize("rows", ["spans", "(FROM read_parquet('OUTPUT/spans/**/*.parquet'))"])
def test_an_error_over_columns_that_are_named_by_values_does_not_quote_them(output: str, rows: str) -> None:
    sql = f"SELECT apixabam FROM (PIVOT {rows.replace('OUTPUT', output)} ON text USING count(*))"
    result = CliRunner().invoke(app, ["query", output, sql])
    assert result.exit_code == 2
    assert 'Referenced column "apixabam" not found' in result.stderr
    assert "apixaban" not in result.stderr.lower()


def test_what_top_can_count_is_named() -> None:
    result = CliRunner().invoke(app, ["query", "out", "--top", "nurses"])
    assert result.exit_code == 2
    assert "'medications', 'diseases'" in result.stderr


def test_an_interrupt_while_the_work_begins_ends_it_at_once() -> None:
    program = """
import os, signal, threading
from cardio_ner.cli.query import _interruptible

class Thread(threading.Thread):
    def start(self):
        super().start()
        os.kill(os.getpid(), signal.SIGINT)

_interruptible.__globals__["Thread"] = Thread
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background has it ignored
_interruptible(threading.Event().wait)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (130, b"")


def test_help_says_how_many_are_shown() -> None:
    help_text = CliRunner().invoke(app, ["query", "--help"], env={"COLUMNS": "200"}).output
    assert "How many of them; default: 20" in help_text


def test_sql_may_begin_with_a_comment_and_a_mistyped_option_is_none(output: str) -> None:
    assert ask(output, "-- How many?\nSELECT count(*) AS n FROM documents;", "--csv") == "n\n3\n"
    result = CliRunner().invoke(app, ["query", output, "--cvs"])
    assert (result.exit_code, "--cvs" in result.stderr) == (2, True)


def test_a_score_is_shown_as_it_was_written(output: str) -> None:
    assert (
        ask(output, "SELECT CAST(0.52 AS FLOAT) AS a, CAST(0.1 AS DOUBLE) AS b, 1 AS c", "--csv")
        == "a,b,c\n0.52,0.1,1\n"
    )


def test_a_file_that_is_no_parquet_is_named_by_its_table(output: str) -> None:
    (Path(output) / "documents/batch_id=b1-0/cut.parquet").write_bytes(b"PAR1 and no more")
    result = CliRunner().invoke(app, ["query", output, "SELECT 1"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {output}/documents: a file of it cannot be read")
