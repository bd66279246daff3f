"""The table of probabilities."""

from __future__ import annotations

from collections.abc import Sequence

from fibrostage.analysis.probabilities import AtCut
from fibrostage.ground.stage import Staging
from fibrostage.views.table import NONE, TableView, figure_text, marked, method_text, view

CALIBRATED = (
    "Slope and intercept of the logistic recalibration: 1 and 0 are perfect; a slope above 1 says that "
    "probabilities are too timid, below 1 too extreme. Brier is the mean squared error of the probability; a "
    "scaled Brier score of 0 is no better than always saying the prevalence. Per patient, test patients only."
)


def calibration_view(found: Sequence[AtCut], staging: Staging, simulated: bool) -> TableView:
    """A row a method and cut."""
    rows = []
    for one in found:
        own, made = [method_text(one.method), staging.cut_name(one.cut)], one.calibration
        if made is None:
            rows.append([*own, one.why, *[NONE] * 4])
            continue
        figures = [figure_text(f) for f in (made.slope, made.intercept, made.brier, made.scaled_brier)]
        rows.append([*own, f"{made.n} ({made.positives})", *figures])
    columns = ("method", "cut", "n (positive)", "slope", "intercept", "Brier", "scaled Brier")
    return view(marked("calibration", simulated), columns, rows, CALIBRATED)
