"""A study read in a browser, from the one-time links to the model's next question, by keyboard."""

from __future__ import annotations

import shutil
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from fibrostage.annotate.accounts import Accounts
from fibrostage.ledger.ledger import read_events
from fibrostage.loop.opened import begin
from tests.conftest import Cut
from tests.forked import start
from tests.loop import SMALL
from tests.services import free_port

PASSWORD = "correct horse battery"
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def page_of_a_loop(cut: Cut, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A loop with its page open in a process of its own: the folder, and the address."""
    folder, port = tmp_path / "loop", free_port()
    asked = [*SMALL, "active.initial=6", "active.query=4", "loop.readers=2", "loop.cross_fit=0", "loop.reveal=model"]
    begin(cut("clinic", range(20), known=(0, 1, 2, 3, 4)).path, folder, {}, asked).leave()
    server = start("annotate", folder, "--port", port, out=tmp_path / "said")
    address = f"http://127.0.0.1:{port}"
    for _ in range(900):
        try:
            urllib.request.urlopen(f"{address}/login").close()
            break
        except OSError:
            assert server.poll() is None
            time.sleep(0.2)
    yield folder, address
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) in (0, 143, -15)


def entered(browser: Browser, page_of_a_loop: tuple[Path, str], name: str, role: str) -> tuple[Page, list[str]]:
    """Somebody's page after the one-time link, and what went wrong in the browser."""
    folder, address = page_of_a_loop
    accounts = Accounts(folder)
    link = accounts.invite(name, role)
    accounts.close()
    page, faults = browser.new_context(viewport={"width": 1280, "height": 800}).new_page(), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("response", lambda got: faults.append(f"{got.status} {got.url}") if got.status >= 400 else None)
    page.goto(f"{address}/join/{link}")
    accessible(page)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Begin").click()
    return page, faults


def accessible(page: Page) -> None:
    """No rule of WCAG A and AA that axe can check is broken."""
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found.response["violations"]] == []


def exam(page: Page, number: int) -> None:

    expect(page.get_by_role("article", name=f"Exam {number}")).to_be_visible()
    expect(page.locator(".thumb[aria-current=true]").first).to_be_visible()


def test_a_study_is_read_from_the_links_to_the_next_question(
    browser: Browser, page_of_a_loop: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = page_of_a_loop
    first, first_faults = entered(browser, page_of_a_loop, "Bo", "reader")
    exam(first, 1)
    accessible(first)
    hand_over = first.locator(".answer").last.bounding_box()
    assert hand_over
    assert hand_over["y"] + hand_over["height"] <= 800, "the stages are on the screen"
    first.keyboard.press("ArrowRight")
    expect(first.locator(".facts").first).to_contain_text("picture 2 of 2")
    first.keyboard.press("1")
    exam(first, 2)
    expect(first.get_by_role("status")).to_contain_text("The model thought")
    first.keyboard.press("c")
    first.keyboard.type("4 of them are poor")
    first.keyboard.press("Enter")
    first.keyboard.press("u")
    first.keyboard.type("air")
    first.keyboard.press("Enter")
    exam(first, 3)
    first.keyboard.press("z")
    exam(first, 2)
    expect(first.get_by_role("status")).to_contain_text("taken back")
    first.keyboard.press("u")
    first.keyboard.press("Enter")
    exam(first, 3)
    first.keyboard.press("b")
    canvas = first.locator("canvas").first.bounding_box()
    assert canvas
    first.mouse.move(canvas["x"] + canvas["width"] * 0.4, canvas["y"] + canvas["height"] * 0.4)
    first.mouse.down()
    first.mouse.move(canvas["x"] + canvas["width"] * 0.6, canvas["y"] + canvas["height"] * 0.7, steps=5)
    first.mouse.up()
    expect(first.get_by_role("status")).to_contain_text("The box was moved")
    for number, key in ((3, "2"), (4, "3"), (5, "4"), (6, "0")):
        exam(first, number)
        first.keyboard.press(key)
    expect(first.get_by_text("Nothing waits for you now")).to_be_visible()
    accessible(first)

    second, second_faults = entered(browser, page_of_a_loop, "Cy", "reader")
    for number, key in enumerate(("3", "1", "2", "3", "4", "0"), 1):
        exam(second, number)
        second.keyboard.press(key)
    expect(second.get_by_text("Nothing waits for you now")).to_be_visible()

    judge, judge_faults = entered(browser, page_of_a_loop, "Ad", "adjudicator")
    disputed = judge.locator(".dispute")
    expect(disputed.first).to_be_visible()
    count = disputed.count()
    assert count >= 2, "the first stage differs, and one called another unusable"
    accessible(judge)
    for left in range(count, 0, -1):
        disputed.first.get_by_role("button", name="F2").click()
        expect(disputed).to_have_count(left - 1)

    lead, lead_faults = entered(browser, page_of_a_loop, "Lea", "lead")
    expect(lead.get_by_text("weighted kappa: Bo and Cy")).to_be_visible()
    accessible(lead)
    with lead.expect_download() as download:
        lead.get_by_role("link", name="Answers as CSV").click()
    download.value.save_as(tmp_path / "answers.csv")
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 7
    if not any(event.kind == "closed" for event in read_events(folder)):
        lead.get_by_role("button", name="Fit a model now").click()
    for _ in range(900):
        if sum(event.kind == "issued" for event in read_events(folder)) == 2:
            break
        time.sleep(0.2)
        lead.goto(f"{address}/lead")
    lead.goto(f"{address}/lead")
    expect(lead.get_by_text("learning curve")).to_be_visible()
    lead.goto(f"{address}/lead/events")
    accessible(lead)
    first.goto(f"{address}/read")
    exam(first, 7)
    assert first_faults == second_faults == judge_faults == lead_faults == []

    events = read_events(folder)
    boxes = [event.payload["boxes"] for event in events if event.payload.get("boxes")]
    assert len(boxes) == 1
    x, y, w, h = next(iter(boxes[0].values()))
    assert 10 <= x <= 15
    assert 10 <= y <= 15
    assert 4 <= w <= 9
    assert 6 <= h <= 12, "a fifth and a third of 32 pixels"
    assert sum(event.kind == "undone" for event in events) == 1
    assert "4 of them are poor" not in [event.payload.get("comment") for event in events if event.kind == "labelled"]
    assert {event.who for event in events if event.kind == "settled"} == {"Ad"}
    assert any(event.payload.get("seconds", -1) >= 0 for event in events)


def test_the_next_exam_is_there_at_once(browser: Browser, page_of_a_loop: tuple[Path, str]) -> None:
    """Its pictures were fetched while the one before was read: nothing is asked of the server but to store."""
    page, faults = entered(browser, page_of_a_loop, "Bo", "reader")
    exam(page, 1)
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    shown = page.locator(".exam").get_attribute("data-token")
    page.keyboard.press("s")
    page.wait_for_function("token => document.querySelector('.exam').dataset.token !== token", arg=shown)
    assert asked[0].endswith("/api/skip")
    assert [url for url in asked if "/exam" in url and "?after=" not in url] == [], "it was here already"
    assert faults == []
