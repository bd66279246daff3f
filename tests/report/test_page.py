"""The page shows every section that is wanted, escapes what came from outside, and fetches nothing."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from fibrostage.report.page import render
from fibrostage.report.results import strategies_shown
from tests.results.made import made_metrics
from tests.test_contracts import results

TITLES = (
    "Read this first", "Results", "ROC curves", "Who was called what", "Agreement with the true stage",
    "Do the probabilities mean what they say?", "Would acting on them help?", "How this was made",
)  # fmt: skip


def test_a_runs_page() -> None:
    page = render(results(60))
    for title in TITLES:
        assert f"<h2>{title}" in page
    assert page.count("<svg") == 4
    assert "Research use only" in page
    assert "SIMULATED" not in page
    assert not re.search(r"(src|href)=\"(?!#|data:)", page), "nothing is fetched"


def test_too_few_patients_are_said_in_words() -> None:
    page = render(results(10))
    assert "10 patients, 6 positive: at least 20, and 5 of each, are needed" in page
    assert "Not drawn:" in page


def test_a_simulated_page_says_so_everywhere() -> None:
    made = results(60)
    page = render(replace(made, metrics=[made_metrics(simulated=True)]))
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert all("SIMULATED" in heading for heading in headings if heading not in ("Read this first", "Runs that failed"))


def test_what_came_from_outside_is_escaped() -> None:
    made = results(60)
    page = render(replace(made, name="<script>x</script>", failures={"a": "<b>bold</b>"}))
    assert "<script>" not in page
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
