"""AUCs over pictures, with the patient as the cluster."""

from __future__ import annotations

from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Section, ShownTable
from fibrostage.views.diagnosis import pictures_view


def blocks(results: Results) -> list[Block]:
    """One seed's table."""
    assert results.diagnosis is not None
    return [ShownTable(pictures_view(results.diagnosis.of_seed(results.diagnosis.pictures), results.staging))]


def wanted(results: Results) -> bool:
    """Whether a study's candidates are single pictures."""
    return results.diagnosis is not None and len(results.diagnosis.pictures) > 0


SECTION = Section("over_pictures", "Over pictures", wanted, blocks)
