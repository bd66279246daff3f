"""What thresholds do in the test cohort: published ones, and the training cohort's."""

from __future__ import annotations

from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Section, ShownTable
from fibrostage.views.diagnosis import cutoffs_view


def blocks(results: Results) -> list[Block]:
    """One seed's table."""
    found = results.diagnosis
    assert found is not None
    return [ShownTable(cutoffs_view(found.of_seed(found.cutoffs), results.staging, found.seed))]


def wanted(results: Results) -> bool:
    """Whether a study has thresholds."""
    return results.diagnosis is not None and len(results.diagnosis.cutoffs) > 0


SECTION = Section("thresholds", "Thresholds, judged on test patients", wanted, blocks)
