"""Who the patients are: a paper's first table, by cohort and by stage."""

from __future__ import annotations

from fibrostage.analysis.table_one import by_cohort, by_stage
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Note, Section, ShownTable
from fibrostage.views.table_one import TOLD, table_one_view

NOT_KEPT = (
    "Cannot be made because the run kept nothing of its patients but what was said of them; runs from before that was "
    "kept must be made again."
)


def blocks(results: Results) -> list[Block]:
    """Two tables of the run's patients; of a study, of the reference's."""
    known = results.kept[0].participants
    assert known is not None
    cohorts = table_one_view(by_cohort(known, results.whole), "by cohort", results.simulated)
    stages = table_one_view(by_stage(known, results.whole), "by stage", results.simulated)
    return [ShownTable(cohorts, titled=True), ShownTable(stages, titled=True), Note(TOLD)]


def wanted(results: Results) -> bool:
    """Whether the run kept who its patients are."""
    return bool(results.kept) and results.kept[0].participants is not None


SECTION = Section("table_one", "Who the patients are", wanted, blocks, why=lambda results: NOT_KEPT)
