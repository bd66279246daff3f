"""The results in one paragraph of plain words."""

from __future__ import annotations

from fibrostage import SIMULATED
from fibrostage.analysis.stage_matrix import stage_matrices
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Note, Section
from fibrostage.views.summary import summary


def blocks(results: Results) -> list[Block]:
    """One paragraph."""
    confidence = results.first.confidence
    matrices = stage_matrices(results.told, results.staging, confidence)
    lines = summary(results.judged, matrices, results.staging, confidence, tested_how(results))
    if results.simulated:
        lines.insert(0, f"{SIMULATED}: these patients do not exist.")
    return [Note(" ".join(lines))]


def tested_how(results: Results) -> str:
    """How it came that these patients had not been seen, in words."""
    scheme = results.first.split.scheme
    if results.diagnosis is not None and scheme == "holdout":
        return f"who had been kept apart from training (seed {results.diagnosis.seed} of the study)"
    if scheme == "holdout":
        return "who had been kept apart from training"
    return "each of whom was staged by a network that had not seen them"


SECTION = Section("summary", "In short", lambda results: bool(results.judged), blocks)
