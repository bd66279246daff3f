"""Who was called what: patients by true and called stage."""

from __future__ import annotations

from fibrostage.analysis.stage_calls import seldom_called
from fibrostage.report.figures import FIGURES
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Bullets, Note, Section
from fibrostage.views.table import method_text

SELDOM = (
    "The stage called is the most probable one. A stage that is seldom the most probable is seldom called, however "
    "well its probability tells patients apart (the AUC says that); look at the probability at each cut too."
)


def blocks(results: Results) -> list[Block]:
    """One panel a method, and which stages are hardly ever called."""
    classes, drawn = results.staging.classes, FIGURES["stages_called"].draw(results)
    seldom = [
        ("", f"{method_text(method)}: {line}")
        for method, table in results.confusions.items()
        for line in seldom_called(table, classes)
    ]
    return [*drawn, Note(SELDOM), Bullets(tuple(seldom))] if seldom else [*drawn]


SECTION = Section("stages_called", "Who was called what", lambda results: bool(results.predictions), blocks)
