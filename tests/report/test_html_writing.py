"""The HTML report as a file: one file, closed to the network and to its own data, with text only where it should be."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

from cardio_ner.errors import InputError
from cardio_ner.report.html import writing
from cardio_ner.report.html.writing import TEXT_BY_DEFAULT, HtmlReport, write_html_report
from example_run import write_account
from hand_tables import document, rejected, span, write_documents, write_spans

TEXT = "Toma <b>apixaban</b> por su palpitación."


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A run of one record with two mentions, one of a type of its own, and one rejected row."""
    out = tmp_path / "out"
    write_documents(out, document("es/ana-1933", "b1-0", at=1, text=TEXT), rejected("es/b", "b1-0", at=1))
    write_spans(
        out,
        span("es/ana-1933", "b1-0", "apixaban", of=TEXT, start=8, entity_type="MEDICATION"),
        span("es/ana-1933", "b1-0", "palpitación", of=TEXT, start=28, entity_type="<i>SIGN"),
    )
    write_account(out, rows=2)
    return out


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """The folder that was annotated."""
    (tmp_path / "notes/es").mkdir(parents=True)
    (tmp_path / "notes/es/ana-1933.txt").write_text(TEXT)
    return tmp_path / "notes"


def many(tmp_path: Path, n: int) -> Path:
    """An output of n documents, each with one mention."""
    write_documents(tmp_path / "many", *(document(f"d{k}", "b1-0", at=1) for k in range(n)))
    write_spans(tmp_path / "many", *(span(f"d{k}", "b1-0", "HTA") for k in range(n)))
    return tmp_path / "many"


def test_the_page_has_the_account_the_mentions_and_the_text(output: Path, notes: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    written = write_html_report(output, file, notes=notes)
    page = file.read_text(encoding="utf-8")
    assert written == HtmlReport(file, len(page.encode()), documents=2, with_text=True, texts=1)
    for part in ("empty text", "apixaban", "\\u003cb\\u003e", "Scores", "es-0123456789abc", "negated", "&lt;i&gt;sign"):
        assert part in page
    assert "<b>" not in page
    assert "<i>" not in page
    assert [path.name for path in tmp_path.glob("*report*")] == ["report.html"]


def test_the_page_names_the_digests_of_its_script_and_style_and_allows_nothing_else(
    output: Path, notes: Path, tmp_path: Path
) -> None:
    write_html_report(output, tmp_path / "report.html", notes=notes)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', page)
    rules = dict(rule.split(" ", 1) for rule in policy.replace("&#39;", "'").split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["require-trusted-types-for"] == "'script'"
    for name in ("script", "style"):
        (content,) = re.findall(rf"<{name}>(.*?)</{name}>", page, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[f"{name}-src"] == f"'sha256-{digest}'"
    assert page.count("<script") == 2
    assert not re.search(r"""(src|href)=(?!"(#|data:))|\bon\w+=|url\(|@import|innerHTML| style=""", page)


def test_counts_only_means_no_text_no_mention_and_no_identifier(output: Path, notes: Path, tmp_path: Path) -> None:
    written = write_html_report(output, tmp_path / "report.html", notes=notes, with_text=False)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert (written.with_text, written.texts) == (False, 0)
    for private in ("apixaban", "palpitaci", "ana-1933", "/notes", 'id="data"', 'id="reader"'):
        assert private not in page
    for number in ("empty text", "Mentions per document", "counts only"):
        assert number in page


def test_text_is_left_out_of_many_documents_unless_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    few, large = many(tmp_path / "few", TEXT_BY_DEFAULT), many(tmp_path / "large", TEXT_BY_DEFAULT + 1)
    assert write_html_report(few, file, notes=None).with_text
    assert not write_html_report(large, file, notes=None).with_text
    assert "more than 200 documents unless asked" in file.read_text(encoding="utf-8")
    assert write_html_report(large, file, notes=None, with_text=True).with_text


def test_more_text_than_a_browser_takes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "MOST_WITH_TEXT", 3)
    with pytest.raises(InputError, match=r"4 documents: .* at most 3: leave the text out \(--no-text\)"):
        write_html_report(many(tmp_path, 4), tmp_path / "report.html", notes=None, with_text=True)
    assert not write_html_report(many(tmp_path / "x", 4), tmp_path / "r.html", notes=None, with_text=False).with_text


def test_a_page_without_notes_says_how_to_get_the_texts(output: Path, tmp_path: Path) -> None:
    assert write_html_report(output, tmp_path / "report.html", notes=None).texts == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "--notes NOTES" in page
    assert "has names of records and their mentions, but no whole text" in page
    assert "apixaban" in page


def test_an_output_without_run_json_or_without_mentions_has_a_page_too(tmp_path: Path) -> None:
    write_documents(tmp_path / "out", rejected(None, "b1-0", at=1, reason="null_id", language=None))
    write_html_report(tmp_path / "out", tmp_path / "report.html", notes=None)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "no run.json" in page
    assert "null id" in page


def test_a_run_that_failed_is_said_to_have_failed(output: Path, tmp_path: Path) -> None:
    write_account(output, rows=2, ending="failed", error_type="AccountError")
    write_html_report(output, tmp_path / "report.html", notes=None)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "AccountError" in page
    assert "has not ended well" in page


@pytest.mark.parametrize(
    ("ending", "said"), [("done", None), ("stopped", None), ("running", "The latest run goes on, or was killed")]
)
def test_a_run_that_did_not_fail_is_not_said_to_have_failed(
    ending: str, said: str | None, output: Path, tmp_path: Path
) -> None:
    write_account(output, rows=2, ending=ending)
    write_html_report(output, tmp_path / "report.html", notes=None)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "has not ended well" not in page
    assert ("The latest run" in page) == (said is not None)
    assert said is None or said in page


@pytest.mark.parametrize("folder", [".", "/", ".."])
def test_a_folder_in_place_of_the_file_is_refused_before_anything_is_read(folder: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a folder: expected a file such as report\.html"):
        write_html_report(tmp_path / "no-output", Path(folder), notes=None)


def test_notes_that_are_no_folder_and_a_file_that_cannot_be_are_refused(output: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: no such folder: expected the folder of notes"):
        write_html_report(output, tmp_path / "report.html", notes=tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"nowhere/report\.html: cannot be written \(No such file or directory\)"):
        write_html_report(tmp_path / "no output either", tmp_path / "nowhere/report.html", notes=None)
    with pytest.raises(InputError, match="no encoding of that name"):
        write_html_report(output, tmp_path / "report.html", notes=None, encoding="rot13")
    assert not list(tmp_path.glob(".*"))
