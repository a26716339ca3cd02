"""Take the pictures of this folder anew, from what `make demo` leaves:

    PYTHONPATH=src:tests python docs/images/take.py build/demo

They show the report of examples/notes (synthetic records). Needs Debian's chromium and chromium-driver.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from selenium.webdriver.common.by import By

from browser import browser
from cardio_ner.report.html.writing import write_html_report

HERE = Path(__file__).parent
NOTES = HERE.parents[1] / "examples/notes"
RECORD = "es/07_carta_alta_icc"


def main(output: Path) -> None:
    """report-light.png, report-dark.png, report-phone.png."""
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(scratch, "report.html")
        write_html_report(output, page, notes=NOTES)
        take(page, "report-light", width=1100, height=860)
        take(page, "report-dark", width=1100, height=620, dark=True, section="reader")
        take(page, "report-phone", width=390, height=844, section="reader")


def take(page: Path, name: str, *, width: int, height: int, dark: bool = False, section: str | None = None) -> None:
    """One picture: the top of the page, or a section with the record open at its third mention."""
    with (
        tempfile.TemporaryDirectory() as profile,
        browser(Path(profile), width=width, height=height, dark=dark) as driver,
    ):
        driver.get(page.as_uri())
        if section:
            driver.find_element(By.XPATH, f"//ol[@id='records']//button[span='{RECORD}']").click()
            for _ in range(3):
                driver.find_element(By.ID, "mention-after").click()
            driver.execute_script("document.getElementById(arguments[0]).scrollIntoView()", section)
        driver.save_screenshot(str(HERE / f"{name}.png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
