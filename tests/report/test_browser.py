"""The page in a browser: axe finds nothing, it is never wider than its screen, light or dark, and tables sort."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fibrostage.report.forms import whole_page
from fibrostage.report.page import sections_of
from tests.report import made

WIDER = (
    "[...document.querySelectorAll('.pan, .scroll')].filter(e => e.scrollWidth > e.clientWidth + 1)"
    ".map(e => e.getAttribute('aria-label'))"
)


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a study with a name that cannot be broken and a run that failed."""
    results = replace(made.study(True), name="a study with " + "long" * 30, failures={"run": "why"})
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(whole_page(results, sections_of(results)), encoding="utf-8")
    return path


def test_every_id_is_there_once_and_what_is_referred_to_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    ids = re.findall(r'\sid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', text)) | set(re.findall(r"url\(#([^)]+)\)", text)) <= set(ids)


def test_the_page_is_accessible_and_never_wider_than_its_screen(chromium: str, page: Path) -> None:
    """No rule of WCAG A and AA that axe can check is broken, light or dark."""
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        screen = browser.new_page(viewport={"width": 1280, "height": 900})
        screen.goto(page.as_uri())
        grounds = set()
        for scheme in ("light", "dark"):
            screen.emulate_media(color_scheme=scheme)
            grounds.add(screen.evaluate("getComputedStyle(document.body).backgroundColor"))
            found = Axe().run(screen, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
            assert [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found.response["violations"]] == []
        assert len(grounds) == 2
        for width in (1280, 820, 390):
            screen.set_viewport_size({"width": width, "height": 900})
            assert screen.evaluate("document.documentElement.scrollWidth") == width
        assert screen.evaluate(WIDER) == [], "nothing on a phone is looked at through a slit"
        browser.close()


def test_tables_sort_by_key_and_stand_as_they_came_without_script(chromium: str, page: Path) -> None:
    from playwright.sync_api import sync_playwright

    rows = "[...document.querySelector('#agreement table').querySelectorAll('tbody tr')]"
    column = f"{rows}.map(r => r.cells[2].textContent.trim())"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        screen = browser.new_page()
        screen.goto(page.as_uri())
        before = screen.evaluate(column)
        screen.focus("#agreement thead th:nth-child(3) button")
        for order, way in ((sorted(before), "ascending"), (sorted(before, reverse=True), "descending")):
            screen.keyboard.press("Enter")
            assert screen.evaluate(column) == order
            assert screen.get_attribute("#agreement thead th:nth-child(3)", "aria-sort") == way
        plain = browser.new_context(java_script_enabled=False).new_page()
        plain.goto(page.as_uri())
        assert plain.locator("#agreement table").first.locator("tbody tr").count() == len(before)
        assert plain.locator("thead button").count() == 0
        browser.close()
