"""The sections of the page, one file each, in their order; a new one is a file and its name here, or an entry point of
"fibrostage.sections"."""

from fibrostage.ground.registry import InFiles, Registry
from fibrostage.report.sections.spec import Section

FILES = (
    "caveats", "summary", "external", "figures", "left_out", "common_patients", "learning_curves", "labels_bought",
    "published", "failures", "roc_beside_markers", "reference_against_each", "over_pictures", "attributions",
    "roc_curves", "modalities_added", "operating_points", "stages_called", "agreement", "examples", "calibration",
    "decision_curves", "reclassification", "subgroups", "table_one", "participants", "methods", "provenance",
    "not_here", "checklists",
)  # fmt: skip
SECTIONS: Registry[Section] = Registry("section", InFiles(__name__, "SECTION", FILES), "fibrostage.sections")
