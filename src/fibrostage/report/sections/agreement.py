"""How far called and true stages agree."""

from __future__ import annotations

from fibrostage.analysis.stage_matrix import stage_matrices
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Note, Section, ShownTable
from fibrostage.views.stage_matrix import RECALLED, agreement_view, matrix_view


def blocks(results: Results) -> list[Block]:
    """A row a method, then the matrix of each."""
    found = stage_matrices(results.told, results.staging, results.first.confidence)
    if not found:
        return [Note("Cannot be computed because no network here tells every stage; each has learned one cut.")]
    matrices = [ShownTable(matrix_view(one, results.simulated), titled=True) for one in found]
    return [ShownTable(agreement_view(found, results.simulated)), *matrices, Note(RECALLED)]


SECTION = Section("agreement", "Agreement with the true stage", lambda results: bool(results.told), blocks)
