"""The table of a run that left out a hospital at a time."""

from __future__ import annotations

from collections.abc import Sequence

from fibrostage.analysis.by_fold import FoldFigures
from fibrostage.ground.stage import Staging
from fibrostage.views.table import Cell, TableView, figure_text, marked, view

NOTE = (
    "Each row's patients were judged by a network that the others had trained. Networks differ from row to row, so the "
    "rows say how a model of the other places does at this one, not how one model does at all."
)


def by_fold_view(
    found: Sequence[FoldFigures], staging: Staging, column: str, method: str, simulated: bool
) -> TableView:
    """A row a value of the column: patients, accuracy, and the AUC at each cut with how many are positive."""
    rows: list[list[str | Cell]] = [
        [
            one.value, str(one.n), figure_text(one.accuracy),
            *(Cell(figure_text(one.auc_at_cut[cut]), (f"{one.positives[cut]} positive",)) for cut in staging.cuts),
        ]
        for one in found
    ]  # fmt: skip
    columns = (column, "n", "accuracy [CI]", *(f"AUC {staging.cut_name(cut)} [CI]" for cut in staging.cuts))
    return view(marked(f"{method}, by {column}", simulated), columns, rows, NOTE, numbers=(1,))
