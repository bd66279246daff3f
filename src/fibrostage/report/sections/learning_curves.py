"""Learning curves: how well the model stages as more is asked for."""

from __future__ import annotations

from fibrostage.analysis.few_patients import LEAST
from fibrostage.report.figures import FIGURES
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Note, Section


def blocks(results: Results) -> list[Block]:
    """The curves of every method; nothing but a note where few patients were tested."""
    kind = FIGURES["learning_curves"]
    if not kind.wanted(results):
        tested = sum(metrics.n_patients for metrics in results.metrics)
        return [Note(f"Not drawn: a curve of {tested} test patients is mostly chance; {LEAST} are needed.")]
    return [*kind.draw(results)]


NOT_ASKED = (
    "Nothing was asked: every training patient’s stage was there from the beginning. 'fibrostage active COHORT --out "
    "LOOP', or a study with strategies, says how well a network stages as more labels are bought, and what they cost."
)

SECTION = Section(
    "learning_curves",
    "Learning curves",
    lambda results: results.curves is not None,
    blocks,
    why=lambda results: NOT_ASKED if results.validation is None else "",
)
