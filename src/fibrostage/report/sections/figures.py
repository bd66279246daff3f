"""The figures of a run or a study, per patient."""

from __future__ import annotations

from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Section, ShownTable
from fibrostage.views.diagnosis import calling_views, supervised_view
from fibrostage.views.run import beside_view, figures_view, stages_view
from fibrostage.views.study import results_view


def blocks(results: Results) -> list[Block]:
    """The tables of a study; for a run, what stands beside its test patients too."""
    if results.diagnosis is not None:
        told = results.diagnosis.results
        main = supervised_view(told, results.staging, results.diagnosis.reference)
        return [ShownTable(one) for one in (main, *calling_views(told, results.staging))]
    if results.table is not None:
        return [ShownTable(results_view(results.table, results.staging))]
    beside = beside_view(results.first, results.staging)
    shown: list[Block] = [ShownTable(figures_view(results.first, results.staging))]
    called = stages_view(results.first, results.staging)
    if called is not None:
        shown.append(ShownTable(called))
    return shown if beside is None else [*shown, ShownTable(beside)]


SECTION = Section("figures", "Results", lambda results: True, blocks)
