"""No checklist says that the run answers an item which the page does not hold."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import pytest

from fibrostage.report.checklists import AUTHOR, MISSING, RUN, Checklist, checklists
from fibrostage.report.page import render, sections_of
from fibrostage.report.results import Results
from fibrostage.report.sections import SECTIONS
from fibrostage.report.sections.checklists import checklist_view, titles_on_page
from tests.report.test_methods import told
from tests.test_contracts import results


@cache
def made_page(patients: int, whole: bool) -> tuple[Results, str]:
    """Results with or without a whole plan, and their page."""
    made = replace(results(patients), plans=told().plans) if whole else results(patients)
    return made, render(made, sections_of(made))


every = pytest.mark.parametrize("checklist", checklists(), ids=lambda one: one.name)


@every
@pytest.mark.parametrize("patients", [60, 5])
@pytest.mark.parametrize("whole", [True, False])
def test_what_is_from_the_run_is_on_the_page(checklist: Checklist, patients: int, whole: bool) -> None:
    made, page = made_page(patients, whole)
    shown = re.findall(r'<section id="(\w+)"', page)
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    titles = titles_on_page(made)
    assert set(titles) == set(shown) - {"checklists"}
    view = checklist_view(checklist, titles)
    assert ("what it asks" in view.columns) == any(item.asks for item in checklist.items)
    at = view.columns.index("answered")
    for item, row in zip(checklist.items, view.rows, strict=True):
        if row[at].text != RUN:
            assert not set(item.sections) & set(shown), f"{item.number} is answered, and not said to be"
            assert row[at].text == (MISSING if item.sections else AUTHOR)
            continue
        where = [name for name in item.sections if name in shown]
        assert where, f"{checklist.name} {item.number} is said to be from the run, and no section has it"
        assert all(any(heading.startswith(titles[name].split("’")[0]) for heading in headings) for name in where)


@every
def test_every_section_that_is_named_exists_and_every_item_says_something(checklist: Checklist) -> None:
    known = set(SECTIONS.names())
    for item in checklist.items:
        assert set(item.sections) <= known, item.number
        assert item.sections or item.write, f"{item.number} is nobody's"
    numbers = [item.number for item in checklist.items]
    assert len(set(numbers)) == len(numbers)


def test_the_checklists_are_whole() -> None:
    counts = {one.name: len(one.items) for one in checklists()}
    assert counts == {"stard-2015": 34, "stard-ai": 48, "tripod-ai": 52, "claim-2024": 44}
    closed = [one for one in checklists() if one.name in ("claim-2024", "stard-ai")]
    assert not any(item.asks for one in closed for item in one.items)


def test_a_run_without_a_flow_lacks_the_diagram() -> None:
    stard = next(one for one in checklists() if one.name == "stard-2015")
    flow = next(item for item in stard.items if item.number == "19")
    assert flow.status(["participants"]) == RUN
    assert flow.status(["figures"]) == MISSING
