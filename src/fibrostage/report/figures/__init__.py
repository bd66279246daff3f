"""The figures of the report, one file each; a new one is a file and its name here, or an entry point of
"fibrostage.figures"."""

from fibrostage.ground.registry import InFiles, Registry
from fibrostage.report.figures.spec import FigureKind

FILES = (
    "learning_curves", "roc_beside_markers", "attributions", "examples", "roc_curves", "stages_called", "calibration",
    "decision_curves", "subgroups", "participants",
)  # fmt: skip
FIGURES: Registry[FigureKind] = Registry("figure", InFiles(__name__, "FIGURE", FILES), "fibrostage.figures")
