"""ROC curves of networks beside markers, a figure a cohort."""

from __future__ import annotations

from fibrostage.analysis.few_patients import LEAST
from fibrostage.report.figures import FIGURES
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Note, Section
from fibrostage.report.sections.table_one import NOT_KEPT


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


def why(results: Results) -> str:
    """What of the markers is not known; paired tests need them too."""
    if not results.kept or results.kept[0].participants is None:
        return f"The markers of these patients are not known, and so no test against them. {NOT_KEPT}"
    return (
        f"No marker (APRI, FIB-4, stiffness and others) is known of at least {LEAST} test patients, and so there is no "
        "paired test against one either; intake takes laboratory values and stiffness from patients.csv."
    )


SECTION = Section(
    "roc_beside_markers",
    "ROC curves beside the markers",
    lambda results: results.beside_markers is not None,
    blocks,
    why=why,
)
