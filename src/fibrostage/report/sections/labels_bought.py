"""What labels bought: areas under learning curves, and labels to a share of the all-data AUC."""

from __future__ import annotations

from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Section, ShownTable
from fibrostage.views.study import budgets_view, efficiency_view


def blocks(results: Results) -> list[Block]:
    """What labels bought over divisions, and where rounds kept their patients what they bought at each budget."""
    assert results.efficiency is not None
    by_patients = [] if results.budgets is None else [ShownTable(budgets_view(results.budgets))]
    return [ShownTable(efficiency_view(results.efficiency)), *by_patients]


def wanted(results: Results) -> bool:
    """Whether there is a study that asked by something else than "all"."""
    return results.efficiency is not None and len(results.efficiency) > 0


def why(results: Results) -> str:
    """What asked, and could not be compared."""
    if results.curves is None:
        return ""
    here = "one run has nothing to be compared with" if results.single is not None else "this one has no two to compare"
    return f"Strategies are compared over the runs of a study, RAND among them; {here}."


SECTION = Section("labels_bought", "What labels bought", wanted, blocks, why=why)
