"""What a paper prints of its methods, beside what they give here."""

from __future__ import annotations

from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Section, ShownTable
from fibrostage.views.study import counted_view, published_view


def blocks(results: Results) -> list[Block]:
    """The paper's counts of pictures and its figures, each beside ours."""
    blocks: list[Block] = [] if results.counted is None else [ShownTable(counted_view(results.counted), titled=True)]
    if results.published is not None:
        blocks.append(ShownTable(published_view(results.published, results.paper), titled=True))
    return blocks


def wanted(results: Results) -> bool:
    """Whether the study's file holds a paper's figures."""
    return results.published is not None or results.counted is not None


SECTION = Section("published", "Beside the paper", wanted, blocks)
