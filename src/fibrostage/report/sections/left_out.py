"""Leave one hospital out: the figures of each value of the column by which patients were divided."""

from __future__ import annotations

from fibrostage.analysis.by_fold import figures_by_fold
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Section, ShownTable
from fibrostage.results.predictions import LEFT_OUT
from fibrostage.views.by_fold import by_fold_view
from fibrostage.views.table import method_text


def blocks(results: Results) -> list[Block]:
    """A table a method."""
    first = results.first
    return [
        ShownTable(
            by_fold_view(
                figures_by_fold(table, results.staging, first.confidence),
                results.staging,
                first.split.column,
                method_text(method),
                results.simulated,
            ),
            titled=True,
        )
        for method, table in results.predictions.items()
    ]


def wanted(results: Results) -> bool:
    """Whether a run that was divided by a column is shown."""
    run = results.single
    told = all(LEFT_OUT in table.columns for table in results.predictions.values())  # runs of earlier versions do not
    return (
        run is not None and run.split.scheme == "column" and run.strategy is None and told and bool(results.predictions)
    )


SECTION = Section("left_out", "Each left out in turn", wanted, blocks)
