"""The HTML report in a real browser, opened from disk: it filters, searches, changes theme, and runs no record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.common.exceptions import JavascriptException
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from browser import CHROMIUM, DRIVER, MISSING, browser
from cardio_ner.document import Document, Span
from cardio_ner.report.html.writing import write_html_report
from example_run import write_account, write_example_run, write_tagged
from hand_tables import rejected, write_documents

pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason=MISSING)

NOTES = Path(__file__).parents[2] / "examples/notes"
ATTACK = (
    "</script><script>document.title = 'run by a record'</script><img src=x onerror=\"document.title = 'run'\">"
    "<!-- \u2028 <b>Warfarin</b> & \x00\r\n💊 aspirin"
)
RECORDS = {
    "es/uno": ("Alergia a penicilina.\r\nFibrilación auricular; toma apixabán 5 mg.", (
        ("Alergia a penicilina", "DISEASE", 0.9), ("penicilina", "MEDICATION", 0.7),
        ("Fibrilación auricular", "DISEASE", 0.99), ("apixabán", "MEDICATION", 0.4),
    )),
    "en/<script>alert(1)</script>": (ATTACK, (("Warfarin", "MEDICATION", 0.8), ("aspirin", "MEDICATION", 0.95))),
    "it/vuoto": ("Nessun farmaco.", ()),
}  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run over RECORDS, and of one record that was rejected and has no file."""
    folder = tmp_path_factory.mktemp("browser")
    for name, (text, mentions) in RECORDS.items():
        path = folder / "notes" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        spans = [
            Span(text.index(mention), text.index(mention) + len(mention), kind, score)
            for mention, kind, score in mentions
        ]
        write_tagged(folder / "out", Document(name, name[:2], text).with_spans(spans), "b1-0", 0)
    write_documents(folder / "out", rejected("zz/leer", "b1-0", at=1, language=None))
    write_account(folder / "out", rows=4)
    written = write_html_report(folder / "out", folder / "report.html", notes=folder / "notes")
    assert written.texts == 3
    return folder / "report.html"


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """One browser for the tests of this file."""
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def driver(window: Chrome, page: Path) -> Iterator[Chrome]:
    """The page, newly opened; whatever a test does to it, the console stays empty."""
    window.get(page.as_uri())
    yield window
    assert window.get_log("browser") == []


def texts(driver: Chrome | WebElement, selector: str) -> list[str]:
    return [found.text for found in driver.find_elements(By.CSS_SELECTOR, selector)]


def frequent(driver: Chrome) -> list[str]:
    return texts(driver, "#mentions-table tbody th")


def record_names(driver: Chrome) -> list[str]:
    return texts(driver, "#records .name")


def open_record(driver: Chrome, name: str) -> None:
    (button,) = (b for b in driver.find_elements(By.CSS_SELECTOR, "#records button") if b.text.startswith(name))
    button.click()


def marks(driver: Chrome) -> list[tuple[str, str]]:
    """The pieces in colour: their text without the type's name, and their type."""
    return [
        (driver.execute_script("return [...arguments[0].childNodes].find(n => n.nodeType === 3)?.data ?? ''", mark),
         mark.get_attribute("class").split()[0])
        for mark in driver.find_elements(By.CSS_SELECTOR, "#text mark")
    ]  # fmt: skip


def focus(driver: Chrome, element_id: str) -> WebElement:
    found = driver.find_element(By.ID, element_id)
    driver.execute_script("arguments[0].focus()", found)
    return found


def test_a_record_is_shown_as_it_is_and_what_it_says_is_not_run(driver: Chrome) -> None:
    open_record(driver, "en/<script>")
    shown = driver.execute_script("return document.getElementById('text').textContent")
    plain = shown.replace(" medication ", "")
    assert plain == ATTACK.replace("\x00", "␀").replace("\r\n", "\n")
    assert "cardio-ner report" in driver.title
    assert driver.find_elements(By.CSS_SELECTOR, "#text img, #text script, #text b") == []
    assert len(driver.find_elements(By.TAG_NAME, "script")) == 2
    assert [text for text, _ in marks(driver)] == ["Warfarin", "aspirin"]


def test_even_a_script_or_picture_that_got_into_the_page_would_not_run_or_load(driver: Chrome) -> None:
    driver.execute_script(
        "const script = document.createElement('script'); script.append('document.title = 1');"
        "const picture = document.createElement('img'); picture.src = 'https://example.invalid/x.png';"
        "document.body.append(script, picture)"
    )
    with pytest.raises(JavascriptException, match="TrustedHTML"):
        driver.execute_script("document.body.innerHTML += '<p>'")
    refused = " ".join(entry["message"] for entry in driver.get_log("browser"))
    assert "violates the following Content Security Policy directive" in refused
    assert "https://example.invalid/x.png" in refused
    assert "cardio-ner report" in driver.title


def test_mentions_that_overlap_show_both_types(driver: Chrome) -> None:
    open_record(driver, "es/uno")
    assert marks(driver) == [
        ("Alergia a ", "type0"), ("", "type0"), ("penicilina", "type1"), ("Fibrilación auricular", "type0"),
        ("apixabán", "type1"),
    ]  # fmt: skip
    (inner,) = driver.find_elements(By.CSS_SELECTOR, "#text mark mark")
    outer = inner.find_element(By.XPATH, "..")
    assert (outer.get_attribute("data-mention"), inner.get_attribute("data-mention")) == ("0", "1")
    assert outer.text.split() == ["penicilina", "medication", "disease"]
    lines = [driver.execute_script("return arguments[0].getBoundingClientRect().bottom", e) for e in (outer, inner)]
    assert lines[0] > lines[1], "the line of the outer mention runs below that of the inner one"


def test_filters_by_type_language_and_score_hold_for_table_and_reader(driver: Chrome) -> None:
    everything = {"Alergia a penicilina", "penicilina", "Fibrilación auricular", "apixabán", "Warfarin", "aspirin"}
    assert set(frequent(driver)) == everything
    disease, _ = driver.find_elements(By.CSS_SELECTOR, "#filter-types input")
    disease.click()
    assert set(frequent(driver)) == {"penicilina", "apixabán", "Warfarin", "aspirin"}
    open_record(driver, "es/uno")
    assert [text for text, _ in marks(driver)] == ["penicilina", "apixabán"]
    least = focus(driver, "least")
    least.send_keys(Keys.ARROW_RIGHT * 10)
    assert driver.find_element(By.ID, "least-shown").text == "0.50"
    assert [text for text, _ in marks(driver)] == ["penicilina"]
    assert driver.find_element(By.ID, "told").text == "3 mentions, 3 different"
    english = driver.find_elements(By.CSS_SELECTOR, "#filter-languages input")[0]
    english.click()
    assert frequent(driver) == ["penicilina"]
    assert record_names(driver) == ["es/uno", "it/vuoto", "zz/leer"]
    driver.find_element(By.ID, "show-all").click()
    assert set(frequent(driver)) == everything
    assert len(record_names(driver)) == 4


def test_a_search_without_accents_finds_mentions_and_their_records(driver: Chrome) -> None:
    search = driver.find_element(By.ID, "search")
    search.send_keys("APIXABAN")
    assert frequent(driver) == ["apixabán"]
    assert record_names(driver) == ["es/uno"]
    assert marks(driver) == [("apixabán", "type1")]
    search.send_keys("zz")
    assert driver.find_element(By.CSS_SELECTOR, "#mentions-table tbody").text == "No mention passes the filters."
    assert driver.find_element(By.ID, "record-title").text == "No record"
    assert driver.find_element(By.ID, "text").text == ""


def test_an_example_opens_its_record_at_the_mention(driver: Chrome) -> None:
    (row,) = driver.find_elements(By.XPATH, "//tr[th='Fibrilación auricular']")
    assert texts(row, "q") == ["Fibrilación auricular; toma apixabán 5 mg."[:22]]
    row.find_element(By.CSS_SELECTOR, "button").click()
    assert driver.find_element(By.ID, "record-title").text == "es/uno"
    assert "Fibrilación auricular" in driver.find_element(By.CSS_SELECTOR, "#text .current").text
    assert driver.switch_to.active_element.get_attribute("id") == "record-title"


def test_a_record_without_text_says_why(driver: Chrome) -> None:
    open_record(driver, "zz/leer")
    assert driver.find_element(By.ID, "text").text == "There is no file of this name in the folder of notes."
    assert driver.find_element(By.ID, "record-facts").text == "unknown · rejected: empty_text · 0 mentions"


def test_the_keyboard_goes_from_mention_to_mention_and_record_to_record_and_is_heard(driver: Chrome) -> None:
    open_record(driver, "es/uno")
    text = focus(driver, "text")
    text.send_keys("n")
    assert driver.find_element(By.ID, "mention-told").get_attribute("textContent") == (
        "Mention 1 of 4: Alergia a penicilina, disease, score 0.90"
    )
    text.send_keys("nnn")
    assert driver.find_element(By.CSS_SELECTOR, "#text .current").text.startswith("apixabán")
    text.send_keys("np")
    assert driver.find_element(By.CSS_SELECTOR, "#text .current").text.startswith("apixabán")
    text.send_keys("]")
    assert driver.find_element(By.ID, "record-title").text == "it/vuoto"
    driver.find_element(By.CSS_SELECTOR, "#records [aria-current=true]").send_keys(Keys.ARROW_UP)
    assert driver.find_element(By.ID, "record-title").text == "es/uno"
    assert driver.switch_to.active_element.text.startswith("es/uno")


def test_everything_is_reached_with_the_tab_key_in_order(driver: Chrome) -> None:
    reached = []
    for _ in range(60):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(driver.switch_to.active_element.get_attribute("id"))
    wanted = ["theme", "least", "search", "record-after", "mention-after", "text"]
    assert [name for name in reached if name in wanted][: len(wanted)] == wanted


def test_the_theme_follows_the_system_until_the_button_is_pressed(driver: Chrome) -> None:
    def ground() -> str:
        return str(driver.execute_script("return getComputedStyle(document.body).backgroundColor"))

    light, button = ground(), driver.find_element(By.ID, "theme")
    assert button.text == "Dark theme"
    button.click()
    assert (ground() == light, button.text) == (False, "Light theme")
    button.click()
    assert (ground() == light, button.text) == (True, "Dark theme")


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_ground_in_both_themes(driver: Chrome, dark: bool) -> None:
    """At least 4.5 to 1, as WCAG asks."""
    if dark:
        driver.find_element(By.ID, "theme").click()
    open_record(driver, "es/uno")
    pairs = (
             ("body", "body"), (".note", ".card"), ("#text mark", "#text mark"), (".tag", ".tag"),
             ("#text .kind", "#text mark"), ("#records [aria-current=true]", "#records [aria-current=true]"),
    )  # fmt: skip
    for ink, ground in pairs:
        assert contrast(driver, ink, ground) >= 4.5, (ink, ground)


def contrast(driver: Chrome, ink: str, ground: str) -> float:
    """WCAG's ratio of two colours as the browser computed them."""

    def luminance(selector: str, name: str) -> float:
        script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]].match(/[\\d.]+/g)"
        parts = [float(part) / 255 for part in driver.execute_script(script, selector, name)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    lighter, darker = sorted((luminance(ink, "color"), luminance(ground, "backgroundColor")), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_a_phone_needs_no_scrolling_sideways(page: Path, tmp_path: Path) -> None:
    with browser(tmp_path, width=360, height=740) as driver:
        driver.get(page.as_uri())
        assert driver.execute_script("return [innerWidth, document.documentElement.scrollWidth]") == [360, 360]
        open_record(driver, "es/uno")
        assert driver.find_element(By.ID, "text").is_displayed()


def test_the_example_notes_make_a_small_page_that_reads_well(window: Chrome, tmp_path: Path, one_thread: None) -> None:
    names = [
        "en/09_device_clinic_crlf",
        "es/02_urgencias_telegrafico",
        "es/11_nota_movil_emoji",
        "it/02_ps_telegrafico",
    ]
    output = write_example_run(tmp_path / "out", NOTES, names, per_batch=2)
    written = write_html_report(output, tmp_path / "report.html", notes=NOTES)
    assert written.texts == 4
    assert written.n_bytes < 300_000
    window.get((tmp_path / "report.html").as_uri())
    assert record_names(window) == names
    for name in names:
        open_record(window, name)
        script = (
            "const shown = document.getElementById('text').cloneNode(true);"
            "shown.querySelectorAll('.kind').forEach((kind) => kind.remove()); return shown.textContent"
        )
        original = (NOTES / f"{name}.txt").read_bytes().decode()
        assert window.execute_script(script) == original.replace("\r\n", "\n")
    assert len(window.find_elements(By.CSS_SELECTOR, "svg.chart")) == 3
    assert window.get_log("browser") == []
