"""Whom the network calls otherwise than other networks and markers."""

from __future__ import annotations

from fibrostage.analysis.reclassified import reclassified
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Note, Section, ShownTable
from fibrostage.views.reclassified import reclassified_view
from fibrostage.views.table import reasons_of


def blocks(results: Results) -> list[Block]:
    """A row a cut and other method, then what could not be computed."""
    found = reclassified(results.judged, results.first.confidence)
    table = reclassified_view(found, results.judging, results.simulated)
    shown: list[Block] = [ShownTable(table)] if table.rows else []
    return [*shown, *(Note(line) for line in reasons_of((f"against {one.other}", one.why) for one in found))]


def wanted(results: Results) -> bool:
    """Whether there is another method at a cut of the first one's."""
    return bool(results.kept) and bool(reclassified(results.judged, results.first.confidence))


SECTION = Section(
    "reclassification",
    "Who would be called otherwise",
    wanted,
    blocks,
    why=lambda results: (
        "Net reclassification and IDI take another network or a marker beside the first, of the same patients, and "
        "there is none."
    ),
)
