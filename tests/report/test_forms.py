"""Each form of a report is of every section's figures and tables, whole, and safe where it is opened."""

from __future__ import annotations

import csv
import re
import sys
from dataclasses import replace
from pathlib import Path

import docx
import pytest
from PIL import Image
from pypdf import PdfReader

from fibrostage import RESEARCH_USE
from fibrostage.csv_tables.writer import as_meant, as_text
from fibrostage.ground.errors import PlanError
from fibrostage.report import forms
from fibrostage.report.forms import FORMS, write_forms
from fibrostage.report.page import named_figures, sections_of
from fibrostage.report.results import Results
from fibrostage.report.style import FigureLook
from fibrostage.report.table_files import in_latex, latex_of, named_tables, write_csv, write_word
from fibrostage.views.table import Cell, view
from tests.report import made


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> Results:
    """What every folder holds in these tests."""
    found = made.run(simulated=True)
    monkeypatch.setattr(forms, "read_results", lambda _: found)
    return found


@pytest.fixture
def few_figures(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    """Learning curves and participants alone, as drawing takes time."""
    monkeypatch.setattr(forms, "read_results", lambda _: replace(results, predictions={}))


def test_every_form_holds_every_figure_or_table(results: Results, tmp_path: Path) -> None:
    write_forms(tmp_path, None, list(FORMS))
    sections, out = sections_of(results), tmp_path / "report"
    assert {p.name for p in out.iterdir()} == {"index.html", "report.pdf", "figures", "tables"}
    drawn = {f"{name}{suffix}" for name in named_figures(sections) for suffix in (".svg", ".pdf", ".png", ".tiff")}
    assert {p.name for p in (out / "figures").iterdir()} == {*drawn, "captions.txt"}
    tables = {f"{name}{suffix}" for name in named_tables(sections) for suffix in (".csv", ".tex")}
    assert {p.name for p in (out / "tables").iterdir()} == {*tables, "tables.docx"}
    captions = (out / "figures" / "captions.txt").read_text()
    for name, (_, figure) in named_figures(sections).items():
        assert f"{name}\n" in captions
        assert figure.alt in captions
    assert captions.count("SIMULATED") == len(named_figures(sections))
    page = (out / "index.html").read_text(encoding="utf-8")
    assert page.count('class="pan wide"') == page.count('class="narrow"') > 0, "a phone has figures of its own"
    first = PdfReader(out / "report.pdf").pages[0]  # the others hold figures of many lines, which take long to read
    text = " ".join(first.extract_text().split())
    assert "SIMULATED" in text
    assert RESEARCH_USE in text


def test_figures_are_as_wide_as_the_column_and_their_fonts_go_with_them(few_figures: None, tmp_path: Path) -> None:
    for width in (89, 183):
        write_forms(tmp_path, tmp_path / str(width), ["figures"], FigureLook(width=width))
        for path in (tmp_path / str(width) / "figures").glob("*.tiff"):
            with Image.open(path) as picture:
                assert picture.mode == "RGB"
                assert picture.info["dpi"] == (300, 300)
                assert picture.width == pytest.approx(width / 25.4 * 300, abs=1)
        page = PdfReader(tmp_path / str(width) / "figures" / "learning_curves.pdf").pages[0]
        assert float(page.mediabox.width) == pytest.approx(width / 25.4 * 72, abs=0.5)
        fonts = [font.get_object() for font in page["/Resources"]["/Font"].values()]  # type: ignore[index]
        assert {font["/Subtype"] for font in fonts} == {"/Type0"}, "no type 3, which journals refuse"
        svg = (tmp_path / str(width) / "figures" / "learning_curves.svg").read_text()
        assert "<text" not in svg, "letters are paths"


def test_predictive_values_are_told_at_the_share_that_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "read_results", lambda _: made.manuscript(60))
    monkeypatch.setattr(forms, "sections_of", lambda results: [results.prevalences])
    assert forms.read_whole(tmp_path, (0.15, 0.15, 0.4))[1] == [(0.15, 0.4)]
    assert forms.read_whole(tmp_path)[1] == [(0.1, 0.3)]
    with pytest.raises(PlanError, match="--prevalence 15 is not between 0 and 1"):
        forms.read_whole(tmp_path, (15,))


def test_figures_alone_are_what_they_were(few_figures: None, tmp_path: Path) -> None:
    assert [p.name for p in write_forms(tmp_path, None, ["html"], figures=True)] == ["index.html", "figures"]
    names = {p.name for p in (tmp_path / "report" / "figures").iterdir()}
    assert {"learning_curves.pdf", "learning_curves.png", "participants.pdf"} <= names
    assert {Path(name).suffix for name in names} == {".pdf", ".png"}


@pytest.mark.parametrize(
    ("names", "look", "said"),
    [
        (
            ["html", "pfd"],
            FigureLook(),
            r"--format 'pfd', did you mean 'pdf'\? is not known; known: html, pdf, figures",
        ),
        (["figures"], FigureLook(width=3), "--width 3 is not between 40 and 400 mm"),
    ],
)
def test_what_is_no_form_is_named(
    results: Results, tmp_path: Path, names: list[str], look: FigureLook, said: str
) -> None:
    with pytest.raises(PlanError, match=said):
        write_forms(tmp_path, None, names, look)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("package", "form"), [("docx", "docx"), ("weasyprint", "pdf")])
def test_nothing_is_written_where_a_form_lacks_what_it_needs(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, form: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PlanError, match=r"extra \[pages\]"):
        write_forms(tmp_path, None, ["html", form])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        (" =1+1", "' =1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd|x", "'+cmd|x"),
        ("-0.101 [-0.263, +0.062]", "'-0.101 [-0.263, +0.062]"),
        ("＝1", "'＝1"),
        ("-0.5", "-0.5"),
        ("+3.2e-5", "+3.2e-5"),
        ("-1,234", "-1,234"),
        ("-12 %", "-12 %"),
        ("LSTE ⊕ LUS", "LSTE ⊕ LUS"),
        ("", ""),
    ],
)
def test_no_cell_begins_a_formula(text: str, cell: str) -> None:
    assert as_text(text) == cell
    assert as_meant(cell) == text


EVIL = view("100 % of_it", ("=a & b", "n"), [[Cell("\\input{x}\x00", ("-1+2",)), "≥F2 < 5"]], "a note", (1,))


def test_a_csv_has_a_column_for_what_stands_beside(tmp_path: Path) -> None:
    write_csv(tmp_path, {"evil": EVIL}, simulated=True)
    rows = list(csv.reader((tmp_path / "evil.csv").open(encoding="utf-8")))
    assert rows[0] == ["'=a & b", "'=a & b, beside", "n", "data"]
    assert rows[1][1:] == ["'-1+2", "≥F2 < 5", "SIMULATED"]


def test_what_means_something_to_latex_is_printed() -> None:
    text = latex_of("evil", EVIL, simulated=True)
    assert r"\caption{100 \% of\_it $\cdot$ SIMULATED}" in text
    assert r"=a \& b & n \\" in text
    assert r"\textbackslash{}input\{x\} & $\geq$F2 $<$ 5 \\" in text
    assert r"{\footnotesize -1+2} &  \\" in text
    assert RESEARCH_USE in text
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    assert in_latex("x_1 [0.2–0.3]") == r"x\_1 {[}0.2--0.3{]}"


def test_word_has_a_table_a_page_whose_head_is_repeated(tmp_path: Path) -> None:
    wide = view("wide", [f"c{k}" for k in range(9)], [[str(k) for k in range(9)]])
    write_word(tmp_path / "t.docx", {"evil": EVIL, "wide": wide}, simulated=True)
    read = docx.Document(str(tmp_path / "t.docx"))
    assert [len(table.columns) for table in read.tables] == [2, 9]
    assert read.tables[0].cell(1, 0).text == "\\input{x}\n-1+2"
    assert [int(page.page_width or 0) > int(page.page_height or 0) for page in read.sections] == [False, True]
    assert all("tblHeader" in table.rows[0]._tr.xml for table in read.tables)
    text = "\n".join(paragraph.text for paragraph in read.paragraphs)
    assert text.count("SIMULATED") == 2
    assert text.count(RESEARCH_USE) == 2
