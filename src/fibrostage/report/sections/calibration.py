"""Whether probabilities mean what they say."""

from __future__ import annotations

from fibrostage.report.figures import FIGURES
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Section, ShownTable
from fibrostage.views.probabilities import calibration_view


def blocks(results: Results) -> list[Block]:
    """The figure where there are patients enough, and slopes and intercepts in a table."""
    kind = FIGURES["calibration"]
    table = ShownTable(calibration_view(results.at_cuts, results.judging, results.simulated))
    return [*(kind.draw(results) if kind.wanted(results) else []), table]


SECTION = Section(
    "calibration", "Do the probabilities mean what they say?", lambda results: bool(results.judged), blocks
)
