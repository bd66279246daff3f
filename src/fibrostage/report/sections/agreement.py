"""How far called and true stages agree."""

from __future__ import annotations

from fibrostage.analysis.probabilities import agreement_of
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Section, ShownTable
from fibrostage.views.probabilities import agreement_view


def blocks(results: Results) -> list[Block]:
    """A row a method."""
    confidence = results.first.confidence
    found = [agreement_of(name, table, results.staging, confidence) for name, table in results.predictions.items()]
    return [ShownTable(agreement_view(found, results.simulated))]


SECTION = Section("agreement", "Agreement with the true stage", lambda results: bool(results.predictions), blocks)
