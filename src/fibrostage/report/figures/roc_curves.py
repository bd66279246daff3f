"""ROC curves at each cut, of test patients."""

from __future__ import annotations

import polars as pl

from fibrostage.ground.lists import and_
from fibrostage.report.drawing import Drawing
from fibrostage.report.figures.spec import FigureKind
from fibrostage.report.panels import counted
from fibrostage.report.results import Results
from fibrostage.report.roc import areas_said, roc_grid, roc_panels
from fibrostage.views.table import method_text


def draw(results: Results) -> list[Drawing]:
    """A curve a method, at each cut."""
    own, confidence = not_beside(results), results.first.confidence
    names = [method_text(method) for method in own]
    panels = roc_panels(own, results.staging, confidence)
    cuts = and_([title for title, _, _ in panels])
    return [
        Drawing(
            roc_grid(names, panels, results.simulated),
            alt=f"ROC curves at {cuts}. Areas under them: {areas_said(panels)}.",
            counted=counted(own.values()),
            interval=f"AUC with DeLong's {100 * confidence:g} % interval",
        )
    ]


def not_beside(results: Results) -> dict[str, pl.DataFrame]:
    """What was told by each method whose curves do not stand beside the markers already: of a study that asks, by
    those of other strategies."""
    beside = results.beside_markers
    drawn = set() if beside is None else set(beside.scores["method"])
    return {method: table for method, table in results.predictions.items() if method not in drawn}


def wanted(results: Results) -> bool:
    """Whether there are curves that do not stand beside the markers already."""
    return bool(not_beside(results))


FIGURE = FigureKind("roc_curves", "ROC curves", wanted, draw)
