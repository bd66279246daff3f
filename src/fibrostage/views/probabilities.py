"""The tables of probabilities and of agreement."""

from __future__ import annotations

from collections.abc import Sequence

from fibrostage.analysis.probabilities import Agreement, AtCut
from fibrostage.ground.stage import Staging
from fibrostage.views.table import NONE, TableView, figure_text, marked, method_text, view

CALIBRATED = (
    "Slope and intercept of the logistic recalibration: 1 and 0 are perfect; a slope above 1 says that "
    "probabilities are too timid, below 1 too extreme. Brier is the mean squared error of the probability; a "
    "scaled Brier score of 0 is no better than always saying the prevalence. Per patient, test patients only."
)
AGREED = (
    "Cohen's kappa weighs a call by its squared distance from the true stage; 0 is chance, 1 is perfect. Accuracy "
    "asks for the very stage, “within one” forgives a neighbour."
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


def agreement_view(found: Sequence[Agreement], simulated: bool) -> TableView:
    """A row a method."""
    rows = [[method_text(one.method), str(one.n), figure_text(one.kappa), figure_text(one.within_one)] for one in found]
    columns = ("method", "test patients", "weighted kappa", "within one stage")
    return view(marked("agreement with the true stage", simulated), columns, rows, AGREED)
