"""Runs and studies under a folder, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fibrostage import SIMULATED
from fibrostage.results.found import FoundResult
from fibrostage.views.table import NONE, Cell, TableView, figure_text, method_text, view


def found_view(found: Sequence[FoundResult], folder: Path) -> TableView:
    """A row a run, or a method of a study, with its test patients, accuracy and average AUC."""
    rows: list[list[str | Cell]] = []
    for one in found:
        where = one.path.relative_to(folder).as_posix() if one.path.is_relative_to(folder) else str(one.path)
        state = "" if one.state == "finished" else one.state
        rows.append(
            [
                Cell(where, (SIMULATED,) if one.simulated else ()), one.kind, method_text(one.method) or NONE,
                one.strategy or NONE, NONE if one.n is None else str(one.n), figure_text(one.accuracy),
                figure_text(one.auc_macro), state,
            ]
        )  # fmt: skip
    columns = ("folder", "kind", "method", "strategy", "test patients", "accuracy", "average AUC", "state")
    return view(f"under {folder}", columns, rows, numbers=(4, 5, 6))
