"""Whether the network does as well in every kind of patient: a forest plot a cut, and a table."""

from __future__ import annotations

from fibrostage.report.figures import FIGURES
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Note, Section, ShownTable
from fibrostage.report.sections.table_one import NOT_KEPT
from fibrostage.views.subgroups import subgroups_view

ALONE = "Nothing is known of these patients in which two kinds of them could be compared."


def blocks(results: Results) -> list[Block]:
    """Of a run its network, of a study the reference."""
    found = results.subgroups
    if not found:
        return [Note(NOT_KEPT)]
    tables = [own for _, own in found]
    if not tables[0]:
        return [Note(ALONE)]
    return [*FIGURES["subgroups"].draw(results), ShownTable(subgroups_view(tables, results.judging, results.simulated))]


SECTION = Section("subgroups", "In every kind of patient?", lambda results: bool(results.kept), blocks)
