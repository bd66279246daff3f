"""ROC curves at each cut, of test patients."""

from __future__ import annotations

from fibrostage.report.results import Results
from fibrostage.report.roc import roc_figure
from fibrostage.report.sections.spec import Block, Drawing, Note, Section


def blocks(results: Results) -> list[Block]:
    """A panel a cut."""
    several = " A patient tested in several runs counts once, with the mean of the runs' probabilities."
    note = "One point a patient. AUC with DeLong's 95 % interval." + (several if len(results.metrics) > 1 else "")
    return [Drawing(roc_figure(results.predictions, results.staging, results.simulated)), Note(note)]


SECTION = Section("roc_curves", "ROC curves", lambda results: bool(results.predictions), blocks)
