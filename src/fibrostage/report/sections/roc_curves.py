"""ROC curves at each cut, of test patients."""

from __future__ import annotations

from fibrostage.report.figures import FIGURES
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Note, Section


def blocks(results: Results) -> list[Block]:
    """The curves of every method."""
    several = " A patient tested in several runs counts once, with the mean of the runs' probabilities."
    others = " Those of other strategies stand beside the markers." if results.beside_markers is not None else ""
    note = "One point a patient." + (several if len(results.metrics) > 1 else "") + others
    return [*FIGURES["roc_curves"].draw(results), Note(note)]


SECTION = Section("roc_curves", "ROC curves", FIGURES["roc_curves"].wanted, blocks)
