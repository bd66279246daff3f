"""What each modality adds: withheld from a run's network, or of a study's networks with and without it."""

from __future__ import annotations

from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Section, ShownTable
from fibrostage.views.modalities_added import fitted_view, withheld_view


def blocks(results: Results) -> list[Block]:
    """One table."""
    made = withheld_view if results.by_modality is not None else fitted_view
    return [ShownTable(made(results.added, results.staging, results.simulated))]


def why(results: Results) -> str:
    """What there is nothing to withhold from, or to compare."""
    if results.validation is not None:
        return "A validation keeps what the whole model says; the report of the run that made it has this section."
    if results.single is None:
        return "No two networks of this study differ in nothing but a modality that one of them sees."
    if "+" not in results.first.method:
        return "The network sees one modality, and there is nothing to withhold from it."
    return "The run kept nothing that was said where modalities are withheld; runs from before that must be made again."


SECTION = Section("modalities_added", "What each modality adds", lambda results: bool(results.added), blocks, why=why)
