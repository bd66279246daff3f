"""The participant flow: who came, who left and why, who trains and who tests."""

from __future__ import annotations

from fibrostage.report.figures import FIGURES
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Section


def blocks(results: Results) -> list[Block]:
    """The flow's boxes."""
    return [*FIGURES["participants"].draw(results)]


SECTION = Section(
    "participants",
    "Participants",
    lambda results: results.flow is not None,
    blocks,
    why=lambda results: (
        "The run kept no count of who came and who was left out; it must be made again with its cohort."
    ),
)
