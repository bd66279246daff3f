"""The tables of an external validation."""

from __future__ import annotations

from fibrostage.ground.stage import Staging
from fibrostage.results.validation import CutColumn, Validation
from fibrostage.views.table import TableView, figure_text, marked, view

DRIFT = (
    "Intervals are at 95 % over patients. A line differs where training's figure lies outside its interval (features: "
    "above it), and for a device that training did not see; one line in twenty does so by chance, and more where few "
    "patients trained, as training's figure is taken as known. A standardised mean difference below 0.1 is not one."
)
RECALIBRATED = (
    "“As it comes” is the model with its own calibration, carried over: its figures are the validation. The other rows "
    "say what recalibration for this site would do, each patient mapped by a fit to others (five parts); they are no "
    "validation of a recalibrated model elsewhere."
)
RULED = "The limits are the model's own, for the predictive values its plan asks for; who is neither is left unsaid."


def drift_view(validation: Validation, simulated: bool) -> TableView:
    """What differs from training."""
    rows = [
        [
            one.what,
            one.there,
            one.here,
            figure_text(one.figure),
            str(one.n),
            "differs" if one.differs else "as in training",
        ]
        for one in validation.drift
    ]
    columns = ("what", "training", "here", "figure [95 % CI]", "n", "judged")
    return view(marked("against training", simulated), columns, rows, DRIFT, numbers=(4,))


def recalibration_view(validation: Validation, staging: Staging, simulated: bool) -> TableView:
    """The probabilities at each cut as they come, and recalibrated for the site."""
    rows = []
    for one in validation.cuts:
        parts: tuple[tuple[str, CutColumn], ...] = (
            ("as it comes", one.carried),
            ("recalibrated in the large", one.in_the_large),
            ("recalibrated with slope", one.with_slope),
        )
        rows += [
            [
                staging.cut_name(one.cut), f"{one.n} ({one.positives})", name, figure_text(each.intercept),
                figure_text(each.slope), figure_text(each.brier),
            ]
            for name, each in parts
        ]  # fmt: skip
    columns = ("cut", "n (at or above)", "probabilities", "in the large", "slope", "Brier score")
    return view(marked("calibration here", simulated), columns, rows, RECALIBRATED)


def ruled_view(validation: Validation, staging: Staging, simulated: bool) -> TableView:
    """What ruling in and out did."""
    rows = [
        [
            staging.cut_name(one.cut), str(one.n), str(one.ruled_out), figure_text(one.npv), str(one.ruled_in),
            figure_text(one.ppv),
        ]
        for one in validation.cuts
    ]  # fmt: skip
    columns = ("cut", "n", "ruled out", "of them below (NPV)", "ruled in", "of them at or above (PPV)")
    return view(marked("ruled in and out, at the model's limits", simulated), columns, rows, RULED, numbers=(1, 2, 4))
