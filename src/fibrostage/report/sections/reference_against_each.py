"""The reference method against every other and against the markers."""

from __future__ import annotations

from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Note, Section, ShownTable
from fibrostage.views.diagnosis import comparison_panels
from fibrostage.views.table import method_text


def blocks(results: Results) -> list[Block]:
    """A table a cohort and cut."""
    found = results.beside_markers
    assert found is not None
    panels = comparison_panels(found.of_seed(found.comparison), found.reference, results.judging)
    of_study = f" Seed {found.seed} of the study." if results.diagnosis is not None else ""
    note = Note(
        f"The reference is {method_text(found.reference)}.{of_study} Two scores are compared on the patients who have "
        "both, by DeLong's test; p is adjusted after Holm within a table."
    )
    return [*(ShownTable(panel, titled=True) for panel in panels), note]


SECTION = Section(
    "reference_against_each", "The reference against each", lambda results: results.beside_markers is not None, blocks
)
