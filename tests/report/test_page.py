"""The page shows every section that is wanted, escapes what came from outside, and fetches nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fibrostage.analysis.stage_calls import seldom_called
from fibrostage.report.drawing import words_of
from fibrostage.report.page import render, sections_of, write_figures
from fibrostage.report.panels import counted
from fibrostage.report.read_results import strategies_shown
from fibrostage.report.results import Results
from fibrostage.report.sections import SECTIONS
from fibrostage.report.sections.spec import Drawing
from fibrostage.report.style import write_figure
from tests.results.made import made_metrics
from tests.test_contracts import results

TITLES = (
    "Read this first", "Results", "ROC curves", "Who was called what", "Agreement with the true stage",
    "Do the probabilities mean what they say?", "Would acting on them help?", "How this was made",
)  # fmt: skip


def page_of(made: Results) -> str:
    return render(made, sections_of(made))


def test_a_runs_page() -> None:
    page = page_of(results(60))
    for title in TITLES:
        assert f"<h2>{title}" in page
    assert page.count("<svg") == 4
    assert "Research use only" in page
    assert "SIMULATED" not in page
    assert not re.search(r"(src|href)=\"(?!#|data:)", page), "nothing is fetched"


def test_too_few_patients_are_said_in_words() -> None:
    page = page_of(results(10))
    assert "10 patients, 6 positive: at least 20, and 5 of each, are needed" in page
    assert "Not drawn:" in page


def test_a_simulated_page_says_so_everywhere() -> None:
    made = results(60)
    page = page_of(replace(made, metrics=[made_metrics(simulated=True)]))
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert all("SIMULATED" in heading for heading in headings if heading not in ("Read this first", "Runs that failed"))


def test_what_came_from_outside_is_escaped() -> None:
    made = results(60)
    page = page_of(replace(made, name="<script>x</script>", failures={"a": "<b>bold</b>"}))
    assert "<script>x" not in page
    assert "&lt;b&gt;bold" in page


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["random", "esd"], {"random", "esd"}),
        (["all", "random", "esd", "bald"], {"all"}),
        (["random", "esd", "bald", "margin"], {"random"}),
    ],
)
def test_which_strategies_are_drawn(names: list[str], shown: set[str]) -> None:
    assert strategies_shown(names) == shown


def test_figures_for_a_paper_have_titles_and_are_the_same_again(tmp_path: Path) -> None:
    made = replace(results(60), metrics=[made_metrics(simulated=True)])
    two = ("roc_curves", "stages_called")
    for folder in ("a", "b"):
        drawn_anew = [(section, section.blocks(made)) for section in SECTIONS if section.name in two]
        write_figures(tmp_path / folder, drawn_anew, made)
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {"roc_curves.pdf", "roc_curves.png", "stages_called.pdf", "stages_called.png"}
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    drawn = drawn_anew[0][1][0]
    assert isinstance(drawn, Drawing)
    before = words_of(drawn.figure)
    write_figure(drawn.figure, tmp_path / "roc.svg", "ROC curves · made · SIMULATED")
    assert words_of(drawn.figure) == before, "the page has its own titles"


def test_what_too_few_patients_show_is_said_and_not_drawn() -> None:
    counts = {"F0": 3, "F1": 3, "F2": 2, "F3": 2, "F4": 0}
    page = page_of(replace(results(10), metrics=[made_metrics(n_patients=10, n_by_stage=counts)]))
    assert "10 test patients are too few: their figures are mostly chance" in page
    assert "no test patient is F4: nothing here tells how they would be staged" in page
    assert "F4: 10 patients, 2 positive" in page


def test_patients_who_trained_are_not_counted_among_those_of_a_figure() -> None:
    tested = pl.DataFrame({"patient_id": ["A", "A", "B", "C"], "split": ["test", "test", "test", "train"]})
    assert counted([tested]) == "2 test patients"
    assert counted([tested, tested[:2]]) == "1 to 2 test patients, by method"


def test_stages_that_are_hardly_ever_called_are_named() -> None:
    counts = np.array([[8, 0, 0], [7, 1, 0], [4, 2, 0]])
    assert seldom_called(counts, ("F0", "F1", "F2")) == [
        "F1 is called 3 times, 1 of them rightly, though 8 of 22 patients have it",
        "F2 is never called, though 6 of 22 patients have it",
    ]
