"""What each modality adds: withheld from a run's network, or of a study's networks with and without it."""

from __future__ import annotations

from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Section, ShownTable
from fibrostage.views.modalities_added import fitted_view, withheld_view


def blocks(results: Results) -> list[Block]:
    """One table."""
    made = withheld_view if results.by_modality is not None else fitted_view
    return [ShownTable(made(results.added, results.staging, results.simulated))]


SECTION = Section("modalities_added", "What each modality adds", lambda results: bool(results.added), blocks)
