"""Methods on the patients that all of them could be tested on."""

from __future__ import annotations

from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Section, ShownTable
from fibrostage.views.study import common_view


def blocks(results: Results) -> list[Block]:
    """One table."""
    assert results.common is not None
    return [ShownTable(common_view(results.common))]


def wanted(results: Results) -> bool:
    """Whether a study has several methods of one strategy."""
    return results.common is not None


SECTION = Section("common_patients", "On common test patients", wanted, blocks)
