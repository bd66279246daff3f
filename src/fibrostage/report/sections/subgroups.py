"""Whether the network does as well in every kind of patient: a forest plot a cut, and a table."""

from __future__ import annotations

from fibrostage.report.figures import FIGURES
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Section, ShownTable
from fibrostage.report.sections.table_one import NOT_KEPT
from fibrostage.views.subgroups import subgroups_view

ALONE = "Nothing is known of these patients in which two kinds of them could be compared."


def blocks(results: Results) -> list[Block]:
    """Of a run its network, of a study the reference."""
    found = results.subgroups
    tables = [own for _, own in found]
    return [*FIGURES["subgroups"].draw(results), ShownTable(subgroups_view(tables, results.judging, results.simulated))]


def wanted(results: Results) -> bool:
    """Whether something is known in which two kinds of patients could be compared."""
    return bool(results.subgroups) and bool(results.subgroups[0][1])


def why(results: Results) -> str:
    """What is not known of the patients."""
    return ALONE if results.subgroups else NOT_KEPT


SECTION = Section("subgroups", "In every kind of patient?", wanted, blocks, why=why)
