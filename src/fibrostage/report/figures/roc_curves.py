"""ROC curves at each cut, of test patients."""

from __future__ import annotations

from fibrostage.ground.lists import and_
from fibrostage.report.drawing import Drawing
from fibrostage.report.figures.spec import FigureKind
from fibrostage.report.panels import counted
from fibrostage.report.results import Results
from fibrostage.report.roc import areas_said, roc_grid, roc_panels
from fibrostage.views.table import method_text


def draw(results: Results) -> list[Drawing]:
    """A curve a method, at each cut."""
    names = [method_text(method) for method in results.predictions]
    panels = roc_panels(results.predictions, results.staging)
    cuts = and_([title for title, _, _ in panels])
    return [
        Drawing(
            roc_grid(names, panels, results.simulated),
            alt=f"ROC curves at {cuts}. Areas under them: {areas_said(panels)}.",
            counted=counted(results.predictions.values()),
            interval="AUC with DeLong's 95 % interval",
        )
    ]


def wanted(results: Results) -> bool:
    """Whether there are curves that do not stand beside the markers already."""
    return bool(results.predictions) and results.beside_markers is None


FIGURE = FigureKind("roc_curves", "ROC curves", wanted, draw)
