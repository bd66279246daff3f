"""An external validation: what differs from training, and what the model's limits and calibration do here."""

from __future__ import annotations

from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Note, Section, ShownTable
from fibrostage.views.validation import drift_view, recalibration_view, ruled_view


def blocks(results: Results) -> list[Block]:
    """Drift, calibration before and after, and what was ruled in and out."""
    found, simulated = results.validation, results.simulated
    assert found is not None
    whose = "No picture of these patients trained it." if found.strangers else "Whom it was trained on is not known."
    shown: list[Block] = [Note(f"Model {found.model}, SHA-256 {found.digest}. {whose}")]
    if found.drift:
        shown.append(ShownTable(drift_view(found, simulated), titled=True))
    shown.append(ShownTable(recalibration_view(found, results.staging, simulated), titled=True))
    shown.append(ShownTable(ruled_view(found, results.staging, simulated), titled=True))
    return shown


WHY = (
    "These patients are of the cohort that the networks were trained on. 'fibrostage validate {name} OTHER_COHORT "
    "--out V' judges a model on another one, in a folder that has a report of its own."
)

SECTION = Section(
    "external",
    "A cohort the model has not seen",
    lambda results: results.validation is not None,
    blocks,
    why=lambda results: WHY.format(name="RUN" if results.single is None else results.name),
)
