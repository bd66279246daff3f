"""Reporting checklists: which item this page answers, and what is left to the authors."""

from __future__ import annotations

from fibrostage.report.checklists import Checklist, checklists
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Note, Section, ShownTable
from fibrostage.views.table import NONE, Cell, TableView, view

ABOUT = (
    "An item is “from the run” where a section of this page holds what it asks, “from the author” where no run can "
    "know it, and “missing” where a section could answer it and is not on this page. An item from the run may still "
    "leave something to write. Items are in our own words; the published checklists stand."
)


def blocks(results: Results) -> list[Block]:
    """A table a checklist."""
    titles = titles_on_page(results)
    return [Note(ABOUT), *(ShownTable(checklist_view(one, titles), titled=True) for one in checklists())]


def titles_on_page(results: Results) -> dict[str, str]:
    """The sections that a page of these results shows beside this one, with their titles."""
    from fibrostage.report.sections import SECTIONS

    others = (section for section in SECTIONS if section.name != SECTION.name)
    return {section.name: section.title for section in others if section.wanted(results)}


def checklist_view(checklist: Checklist, titles: dict[str, str]) -> TableView:
    """A row an item: number, what it asks where that may be said, who answers it, where, and what is left to write."""
    rows: list[list[str | Cell]] = []
    told_what = any(item.asks for item in checklist.items)  # the words of some lists are not free to retell
    counts: dict[str, int] = {}
    for item in checklist.items:
        status = item.status(titles)
        counts[status] = counts.get(status, 0) + 1
        where = "; ".join(titles[name] for name in item.answered_by(titles)) or NONE
        asks = [item.asks or NONE] if told_what else []
        rows.append([item.number, *asks, status, where, item.write or NONE])
    told = ", ".join(f"{count} {status}" for status, count in counts.items())
    columns = ("item", *(("what it asks",) if told_what else ()), "answered", "where on this page", "left to write")
    return view(f"{checklist.title}: {told}", columns, rows, checklist.source)


SECTION = Section("checklists", "Reporting checklists", lambda results: True, blocks)
