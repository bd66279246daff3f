"""Whether acting on the probabilities helps (Vickers & Elkin 2006)."""

from __future__ import annotations

from fibrostage.report.figures import FIGURES
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Note, Section

NOTE = (
    "Net benefit per patient of acting on everybody whose probability is at or above the threshold; the threshold "
    "says how many needless actions one right one is worth. A method helps where it lies above both acting on "
    "everybody (grey, solid) and on nobody (the line at 0); the band is its 95 % interval. Per patient, test "
    "patients only."
)


def blocks(results: Results) -> list[Block]:
    """The figure; nothing but a note where there are too few patients."""
    kind = FIGURES["decision_curves"]
    if not kind.wanted(results):
        return [Note(f"Not drawn: {results.at_cuts[0].why}.")]
    return [*kind.draw(results), Note(NOTE)]


SECTION = Section("decision_curves", "Would acting on them help?", lambda results: bool(results.judged), blocks)
