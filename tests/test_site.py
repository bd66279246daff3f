"""The documentation as a site: it is built without a warning, and no page loads anything from another host."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "link": "href"}
OUTSIDE = re.compile(r"^(https?:)?//")
SHOWN = ("index.html", "plan/training.html", "api.html")


class Loaded(HTMLParser):
    """What a page asks a browser to fetch by itself: not what it links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in LOADING and given.get("rel") not in ("canonical", "prev", "next", "alternate"):
            self.found.append(given.get(LOADING[tag]) or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as 'make site' does, with every warning an error."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_no_page_asks_for_anything_from_another_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 60
    outside = [
        (page.name, url) for page in pages for url in Loaded(page.read_text("utf-8")).found if OUTSIDE.match(url)
    ]
    styles = "".join(path.read_text("utf-8") for path in site.rglob("*.css"))
    outside += [("css", url) for url in re.findall(r"(?:url\(|@import )['\"]?((?:https?:)?//[^)'\"]+)", styles)]
    assert outside == []
    assert Loaded('<img src="//elsewhere/x.png"><a href="https://elsewhere">').found == ["//elsewhere/x.png"]


def test_a_browser_fetches_nothing_from_another_host_and_no_page_is_wider_than_a_phone(site: Path) -> None:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.on("request", lambda request: asked.append(request.url))
        for name in SHOWN:
            page.goto((site / name).as_uri(), wait_until="networkidle")
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
        browser.close()
    assert len(asked) > len(SHOWN)
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
