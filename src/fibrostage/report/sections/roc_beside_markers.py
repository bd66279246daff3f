"""ROC curves of networks beside markers, a figure a cohort."""

from __future__ import annotations

from fibrostage.report.figures import FIGURES
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Note, Section


def blocks(results: Results) -> list[Block]:
    """One seed's curves."""
    found = results.beside_markers
    assert found is not None
    note = (
        "One point a patient, AUC with DeLong's interval; a marker's curve is of the test patients who have it. Seven "
        "beside the first are drawn, all of them stand in the table below."
    )
    if results.table is not None:
        note += " A patient tested in several runs counts once, with the mean of the runs' probabilities."
    if results.diagnosis is not None:
        note = (
            f"Seed {found.seed}, one point a patient, AUC with DeLong's interval; the other seeds, and methods beyond "
            "eight, stand in comparison.csv. A training cohort's curves are of patients the networks have seen."
        )
    return [*FIGURES["roc_beside_markers"].draw(results), Note(note)]


SECTION = Section(
    "roc_beside_markers", "ROC curves beside the markers", lambda results: results.beside_markers is not None, blocks
)
