"""A patient's page says in a sentence what stays possible, why not to trust it, and needs nothing from outside."""

from __future__ import annotations

import base64
import io
import re
import shutil
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader
from tinyhtml5.parser import HTMLParser as Strict

from fibrostage import RESEARCH_USE
from fibrostage.cohort.colour_bar import ColourBar
from fibrostage.deploy.page_pictures import cards_of, heated, paged
from fibrostage.deploy.page_words import log_odds_text, percent
from fibrostage.deploy.patient_page import PagePicture, PatientPage, page_html, write_page
from fibrostage.ground.errors import CohortError, PlanError
from fibrostage.ground.stage import METAVIR, Staging
from fibrostage.report.pdf import pdf_of
from fibrostage.results.staged import Staged

PROBABILITIES = (0.01, 0.02, 0.08, 0.27, 0.62)
RULES = {"F2": "in", "F3": "cannot say", "F4": "out"}
BLOCKS = ("td", "th", "dt", "dd", "p", "li", "h1", "h2", "div", "caption")
EVIL = '<script>alert("x")</script>'


class Text(HTMLParser):
    """The words of a page in their order, and its elements with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.unseen = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.unseen += tag == "style"
        if tag in BLOCKS:
            self.words.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self.unseen -= tag == "style"

    def handle_data(self, data: str) -> None:
        if not self.unseen:
            self.words.append(data)

    def __str__(self) -> str:
        return " ".join("".join(self.words).split())


def picture(modality: str = "LSTE", share: float = 0.2, **more: object) -> PagePicture:
    rng = np.random.default_rng(len(modality))
    pixels = rng.integers(0, 255, (32, 32, 1 if modality == "LUS" else 3), dtype=np.uint8)
    own = {"box": None if modality == "LUS" else (8, 8, 12, 10), "kpa": None if modality == "LUS" else 9.84}
    made = PagePicture(modality, pixels, quality="good", share=share, far=False, strange=0.4, **own)  # type: ignore[arg-type]
    return replace(made, **more)  # type: ignore[arg-type]


EIGHT = tuple(picture(name, share) for name in ("LSTE", "LUS") for share in (0.2, -0.1, 0.05, 0.3))


def staged(possible: tuple[str, ...] = ("F3", "F4"), **more: object) -> Staged:
    probabilities = dict(zip(METAVIR.classes, PROBABILITIES, strict=True))
    shares = {"LSTE": 0.45, "LUS": -0.2}
    made = Staged(
        "P1", "F4", probabilities, {"LSTE": 4, "LUS": 4}, "0123456789abcdef" * 4, {"LSTE": 0, "LUS": 0}, False,
        possible, RULES, shares,
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def page(said: Staged | None = None, **more: object) -> PatientPage:
    made = PatientPage(
        staged=said or staged(),
        staging=METAVIR,
        pictures=EIGHT,
        person="P-0042",
        exam_device="Maker M1",
        model_name="liver-1",
        version="9.9",
        figures=(("AUC at F2", "0.91 [0.84–0.96], n = 168"),),
        coverage=0.9,
        npv=0.95,
        ppv=0.9,
        simulated=False,
        made="2031-02-03T04:05:06+00:00",
    )
    return replace(made, **more)  # type: ignore[arg-type]


def said_on(made: PatientPage) -> str:
    return str(Text(page_html(made)))


def first_line(made: PatientPage) -> str:
    (found,) = re.findall(r"<h1.*?</h1>", page_html(made), re.S)
    return str(Text(found))


@pytest.mark.parametrize(
    ("possible", "sentence"),
    [
        (("F3", "F4"), "Fibrosis F3–F4 cannot be excluded; most likely F4 (62 %)."),
        (("F2", "F3", "F4"), "Fibrosis F2–F4 cannot be excluded; most likely F4 (62 %)."),
        (("F4",), "Only fibrosis F4 stays possible; its probability is 62 %."),
        (("F3",), "Only fibrosis F3 stays possible; most likely F4 (62 %)."),
        (METAVIR.classes, "The model cannot say: every stage stays possible."),
        ((), "The model cannot say which stages stay possible; most likely F4 (62 %)."),
    ],
)
def test_the_answer_in_a_sentence(possible: tuple[str, ...], sentence: str) -> None:
    assert first_line(page(staged(possible))) == sentence


def test_the_set_and_the_most_probable_stage_are_told_apart() -> None:
    text = said_on(page())
    assert "F3–F4: the set made to hold the true stage of 90 % of the patients of each stage." in text
    assert "F4: the most probable single stage." in text
    assert "F3 27 % 90 % set cannot be excluded F4 most probable 62 %" in text, "the scale says it in words too"
    assert "By the model’s rule for naming a single stage, it is F3." in said_on(page(staged(stage="F3")))
    assert "set cannot be excluded" not in said_on(page(staged(())))


def test_each_cut_is_ruled_in_or_out_or_neither() -> None:
    text = said_on(page())
    assert "≥F2 significant fibrosis ruled in 97 %" in text
    assert "≥F3 advanced fibrosis cannot say 89 %" in text
    assert "F4 cirrhosis ruled out 62 %" in text
    assert "at least 90 % of patients told so are at or above the cut (PPV asked for)" in text
    assert "at least 95 % of patients told so are below it (NPV asked for)" in text
    none = said_on(page(staged(rules={})))
    assert "No thresholds for ruling in or out were learned." in none
    assert "ruled" not in none.partition("No thresholds")[0]


def test_reasons_stand_out() -> None:
    alarmed = page(staged(reasons=("one picture is strange", "no LSTQ picture")))
    text = said_on(alarmed)
    assert "2 reasons not to trust this answer" in text
    assert "Why not to trust this answer One picture is strange No LSTQ picture" in text
    assert "Nothing found" not in text
    assert text.index("Why not") < text.index("What the answer rests on")


def test_what_was_not_checked_is_no_clean_bill() -> None:
    assert "Nothing found that speaks against this answer" in said_on(page())
    unsure = said_on(page(staged(trained_on=None)))
    assert "No warning, but not everything was checked" in unsure
    assert "whether the model learned from this patient" in unsure
    unjudged = said_on(page(pictures=tuple(replace(each, strange=None) for each in EIGHT)))
    assert "Not checked: how far the pictures lie from the training pictures." in unjudged
    assert "The model learned from this patient and knows the answer" in said_on(page(staged(trained_on=True)))
    far = said_on(page(pictures=(*EIGHT[:7], picture("LUS", far=True, strange=0.002))))
    assert "1 of 8 pictures lies far from the training pictures" in far
    assert "Far from the training pictures (<1 % as far)" in far


def test_what_the_answer_rests_on() -> None:
    html = page_html(page(staged(pictures={"LSTE": 4, "LUS": 4, "SSTE": 0})))
    text = str(Text(html))
    assert "LSTE 4 pictures +0.45 LUS 4 pictures −0.20 SSTE no picture – together +0.25" in text
    assert "what SSTE would have shown, of which there is no picture" in text
    assert text.count("LSTE 9.8 kPa") == 4
    assert "What each kind of picture adds to the answer was not worked out." in said_on(page(staged(shares={})))


def test_measurements_are_no_pictures() -> None:
    said = staged(pictures={"LSTE": 4, "LUS": 4, "table": 1}, shares={"LSTE": 0.4, "LUS": -0.2, "table": -0.1})
    text = said_on(page(said, tables=("table",)))
    assert "8 pictures: 4 LSTE, 4 LUS, and measurements" in text
    assert "table measurements −0.10" in text
    text = said_on(page(staged(pictures={"LSTE": 4, "LUS": 4, "table": 0}), tables=("table",)))
    assert "8 pictures: 4 LSTE, 4 LUS ·" in text
    assert "what measurements would have shown, of which there are none" in text
    assert "of which there is no picture" not in text


def test_the_foot_names_the_model_and_its_tested_figures() -> None:
    text = said_on(page())
    assert "liver-1 · 0123456789ab · fibrostage 9.9 · 2031-02-03 04:05" in text
    assert "AUC at F2 0.91 [0.84–0.96], n = 168" in text
    assert text.count(RESEARCH_USE) == 2
    assert "No tested figures are at hand." in said_on(page(figures=()))
    assert "yesterday" in said_on(page(made="yesterday"))


def test_simulated_is_said() -> None:
    assert "SIMULATED" not in page_html(page())
    assert said_on(page(simulated=True)).startswith("SIMULATED · P-0042")
    assert "SIMULATED – this patient does not exist" in said_on(page(simulated=True))


def test_words_from_outside_stay_words() -> None:
    made = page(
        staged(reasons=(EVIL,)),
        person=EVIL,
        exam_device=EVIL,
        model_name=EVIL,
        version=EVIL,
        made=EVIL,
        figures=((EVIL, EVIL),),
        pictures=(picture(quality=EVIL), picture(EVIL, bar=ColourBar(("#ff0000", "#0000ff"), (EVIL, "", EVIL)))),
    )
    found = Text(page_html(made))
    assert [name for name, _ in found.elements if name == "script"] == []
    assert str(found).count(EVIL) > 8


def test_nothing_is_fetched_and_the_html_is_sound() -> None:
    for made in (page(), page(staged((), rules={}, shares={}, pictures={}), pictures=(), figures=()), many()):
        html = page_html(made)
        strict = Strict()
        strict.parse(html)
        assert strict.errors == []
        found = Text(html)
        links = [
            attributes.get(name) or "" for _, attributes in found.elements for name in ("src", "href", "data", "srcset")
        ]
        assert all(link.startswith(("data:image/png;base64,", "#")) for link in links if link)
        assert not re.search(r"url\(|@import|https?:", html)
        assert all(attributes.get("alt") for name, attributes in found.elements if name == "img")
        ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
        assert len(ids) == len(set(ids))
        assert [name for name, _ in found.elements].count("h1") == 1


def many(count: int = 20) -> PatientPage:
    return page(pictures=tuple(picture(share=0.01 * number) for number in range(count)))


def test_other_stages_than_metavirs() -> None:
    names = ("no fibrosis", "mild", "severe & more")
    own = Staging("own", names, names[1:])
    probabilities = dict(zip(names, (0.2, 0.5, 0.3), strict=True))
    said = staged(names[:2], stage="mild", probabilities=probabilities, rules={"mild": "cannot say"})
    made = page(said, staging=own)
    assert first_line(made) == "No fibrosis or mild cannot be excluded; most likely mild (50 %)."
    assert "≥mild cannot say" in said_on(made)
    two = METAVIR.at("F2")
    said = staged(("≥F2",), stage="≥F2", probabilities={"<F2": 0.1, "≥F2": 0.9}, rules={"≥F2": "in"})
    assert first_line(page(said, staging=two)) == "Only fibrosis ≥F2 stays possible; its probability is 90 %."
    assert "≥F2 ruled in 90 %" in said_on(page(said, staging=two))


def test_figures_never_claim_certainty() -> None:
    assert [percent(p).replace("\xa0", " ") for p in (0, 1e-4, 0.5, 0.9999, 1)] == [
        "0 %",
        "<1 %",
        "50 %",
        ">99 %",
        "100 %",
    ]
    assert [log_odds_text(share) for share in (0.456, -0.456, -0.001)] == ["+0.46", "−0.46", "0.00"]


def test_pictures_are_shown_as_they_are_stored() -> None:
    tall = picture(pixels=np.full((40, 20, 3), 77, dtype=np.uint8), box=(5, 6, 7, 8))
    (card,) = cards_of((tall,))
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(card.image.partition(",")[2]))))
    assert shown.shape == (40, 40, 3)
    assert (shown[:, 10:30] == 77).all()
    assert not shown[:, :10].any()
    assert card.box == (15, 6, 7, 8), "the box moves with its picture"
    assert card.alt == "LSTE, picture 1 of 1, 9.8\xa0kPa, good quality, its region is framed"


def test_a_map_is_orange_for_and_blue_against() -> None:
    grey = np.full((4, 4, 1), 100, dtype=np.uint8)
    half = np.repeat([[1.0, -1.0]], 2, axis=0)
    shown = heated(grey, half).astype(int)
    assert shown[0, 0, 0] > shown[0, 0, 2], "orange"
    assert shown[0, -1, 2] > shown[0, -1, 0], "blue"
    assert (heated(grey, np.zeros((2, 2))) == 100).all()
    html = page_html(page(pictures=(picture(heat=half), picture("LUS"))))
    assert "orange speaks for stage F4, blue against it" in str(Text(html))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"pixels": np.zeros((8, 8, 3))}, "float64"),
        ({"pixels": np.zeros((8, 8), dtype=np.uint8)}, r"\[8, 8\]"),
        ({"heat": np.full((2, 2), np.nan)}, "not finite"),
        ({"bar": ColourBar(("nothing",), ("", "", ""))}, "#rrggbb"),
    ],
)
def test_what_is_no_picture_is_refused(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(CohortError, match=named):
        page_html(page(pictures=(picture(**wrong),)))


def test_the_first_page_has_what_is_strange_and_what_weighs_most() -> None:
    shares = [0.01, 0.5, -0.6, 0.02, 0.3]
    cards = cards_of([picture(share=share, far=share == 0.02) for share in shares])
    first, more = paged(cards, places=3)
    assert [card.share for card in first] == ["+0.50", "−0.60", "+0.02"]
    assert [card.share for card in more] == ["+0.01", "+0.30"]
    mapped = cards_of([picture(share=share, heat=np.ones((2, 2))) for share in shares])
    assert len(paged(mapped, places=5)[0]) == 2, "a map takes a place"


def read(path: Path) -> list[str]:
    return [" ".join(each.extract_text().split()) for each in PdfReader(path).pages]


def test_a_pdf_of_one_page(tmp_path: Path) -> None:
    made = page(staged(reasons=("a reason", "another")), simulated=True)
    write_page(made, tmp_path / "p.html", tmp_path / "p.pdf")
    assert (tmp_path / "p.html").read_text(encoding="utf-8") == page_html(made)
    (text,) = read(tmp_path / "p.pdf")
    assert "Fibrosis F3–F4 cannot be excluded; most likely F4 (62 %)." in text
    assert "Patient P-0042" in text
    assert "SIMULATED" in text
    assert "page 1 of 1" in text
    assert PdfReader(tmp_path / "p.pdf").metadata.title == "SIMULATED · P-0042 – fibrostage"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["p.html", "p.pdf"]


def test_more_pictures_go_on_a_page_of_their_own(tmp_path: Path) -> None:
    write_page(many(), tmp_path / "p.html", tmp_path / "p.pdf")
    first, second = read(tmp_path / "p.pdf")
    assert RESEARCH_USE in first
    assert "The other 12 pictures of P-0042" in second
    assert "Patient P-0042 page 2 of 2" in second, "who it is stands on every page"


def test_html_alone(tmp_path: Path) -> None:
    write_page(page(), tmp_path / "p.html")
    assert [each.name for each in tmp_path.iterdir()] == ["p.html"]


def test_without_weasyprint_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(PlanError, match=r"extra \[pages\]"):
        write_page(page(), tmp_path / "p.html", tmp_path / "p.pdf")
    assert list(tmp_path.iterdir()) == []


def test_the_pdf_opens_nothing_but_what_is_in_the_page(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), "red").save(tmp_path / "red.png")
    inside = base64.b64encode((tmp_path / "red.png").read_bytes()).decode()
    around = '<!doctype html><html lang="en"><title>t</title><img alt="a" src="{}">'
    files = (around.format((tmp_path / "red.png").as_uri()), around.format(f"data:image/png;base64,{inside}"))
    shown = [len(PdfReader(io.BytesIO(pdf_of(html))).pages[0].images) for html in files]
    assert shown == [0, 1]


@pytest.fixture
def chromium() -> str:
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    return found


def test_the_page_is_accessible_and_never_wider_than_its_screen(chromium: str, tmp_path: Path) -> None:
    """No rule of WCAG A and AA that axe can check is broken."""
    pytest.importorskip("playwright", reason="playwright is not installed")
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    bar = ColourBar(("#ff0000", "#0000ff"), ("35 kPa", "17.5", "0"))
    pictures = (*EIGHT, picture(bar=bar, far=True, heat=np.ones((2, 2)), quality="low fill"))
    write_page(page(staged(reasons=("a reason",)), simulated=True, pictures=pictures), tmp_path / "p.html")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        screen = browser.new_page(viewport={"width": 1280, "height": 900})
        screen.goto((tmp_path / "p.html").as_uri())
        found = Axe().run(screen, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
        assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found.response["violations"]] == []
        for width in (1280, 820, 390):
            screen.set_viewport_size({"width": width, "height": 900})
            assert screen.evaluate("document.documentElement.scrollWidth") == width
        browser.close()
