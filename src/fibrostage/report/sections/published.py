"""What a paper prints of its methods, beside what they give here."""

from __future__ import annotations

from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Section, ShownTable
from fibrostage.views.study import published_view


def blocks(results: Results) -> list[Block]:
    """One table."""
    assert results.published is not None
    return [ShownTable(published_view(results.published, results.paper))]


def wanted(results: Results) -> bool:
    """Whether the study's file holds a paper's figures."""
    return results.published is not None


SECTION = Section("published", "Beside the paper", wanted, blocks)
