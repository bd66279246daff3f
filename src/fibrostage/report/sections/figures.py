"""The figures of a run or a study, per patient."""

from __future__ import annotations

from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Section, ShownTable
from fibrostage.views.diagnosis import supervised_view
from fibrostage.views.run import beside_view, figures_view, stages_view
from fibrostage.views.study import results_view


def blocks(results: Results) -> list[Block]:
    """One table for a study; for a run, what stands beside its test patients too."""
    if results.diagnosis is not None:
        return [ShownTable(supervised_view(results.diagnosis.results, results.staging, results.diagnosis.reference))]
    if results.table is not None:
        return [ShownTable(results_view(results.table, results.staging))]
    beside = beside_view(results.first, results.staging)
    shown: list[Block] = [ShownTable(figures_view(results.first, results.staging))]
    called = stages_view(results.first, results.staging)
    if called is not None:
        shown.append(ShownTable(called))
    return shown if beside is None else [*shown, ShownTable(beside)]


SECTION = Section("figures", "Results", lambda results: True, blocks)
