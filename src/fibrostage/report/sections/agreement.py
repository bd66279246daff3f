"""How far called and true stages agree."""

from __future__ import annotations

from fibrostage.analysis.stage_matrix import stage_matrices
from fibrostage.report.panels import TOGETHER
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Note, Section, ShownTable
from fibrostage.views.stage_matrix import RECALLED, agreement_view, matrix_view, recalls_view


def blocks(results: Results) -> list[Block]:
    """A row a method, then the matrix of each; of many methods the first one's, and the recall of every one."""
    found = stage_matrices(results.told, results.staging, results.first.confidence)
    many = len(found) > TOGETHER and len({one.staging.classes for one in found}) == 1
    own = found[:1] if many else found
    matrices = [ShownTable(matrix_view(one, results.simulated), titled=True) for one in own]
    recalls = [ShownTable(recalls_view(found, results.simulated), titled=True)] if len(found) > len(own) else []
    return [ShownTable(agreement_view(found, results.simulated)), *matrices, *recalls, Note(RECALLED)]


SECTION = Section("agreement", "Agreement with the true stage", lambda results: bool(results.told), blocks)
