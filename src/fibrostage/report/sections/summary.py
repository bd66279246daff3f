"""The results in one paragraph of plain words."""

from __future__ import annotations

from fibrostage import SIMULATED
from fibrostage.active.strategy_expression import ALL, title_of
from fibrostage.analysis.stage_matrix import stage_matrices
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Note, Section
from fibrostage.views.summary import named, summary


def blocks(results: Results) -> list[Block]:
    """One paragraph."""
    confidence, beside = results.first.confidence, results.beside_markers
    bought = results.efficiency if results.budgets is None else results.budgets
    lines = summary(
        results.judged,
        stage_matrices(results.told, results.staging, confidence),
        results.judging,
        confidence,
        tested_how(results),
        None if beside is None else beside.of_seed(beside.comparison),
        bought if bought is not None and len(bought) else None,
        asked_how(results),
    )
    if results.simulated:
        lines.insert(0, f"{SIMULATED}: these patients do not exist.")
    return [Note(" ".join(lines), "lead")]


def asked_how(results: Results) -> str:
    """What the first network is called that was given labels by asking; nothing of others, as their names say it."""
    first = results.kept[0] if results.kept else None
    if first is None or first.strategy is None:
        return ""
    method = named(first.method.removesuffix(f" {title_of(first.strategy)}"))
    return f"{method}, {'given every label' if first.strategy == ALL else f'asking by {title_of(first.strategy)}'}"


def tested_how(results: Results) -> str:
    """How it came that these patients had not been seen, in words."""
    if results.validation is not None:
        return "of another cohort than it had been trained on"
    scheme = results.first.split.scheme
    if results.diagnosis is not None and scheme == "holdout":
        return f"who had been kept apart from training (seed {results.diagnosis.seed} of the study)"
    if results.table is not None:
        return f"who had been kept apart from training in one or more of its {runs_of_first(results)} runs"
    if scheme == "holdout" or results.first.strategy is not None:
        return "who had been kept apart from training"
    return "(each staged by a network that had not seen them)"


def runs_of_first(results: Results) -> int:
    """How many runs of a study the first method's figures are of."""
    return results.told[0].predictions.select("seed", "fold").n_unique()


SECTION = Section("summary", "In short", lambda results: bool(results.judged), blocks)
