"""ROC curves of networks beside markers, a figure a cohort."""

from __future__ import annotations

import polars as pl

from fibrostage.analysis.few_patients import enough, shortage
from fibrostage.analysis.networks_and_markers import COHORTS, panel_of
from fibrostage.ground.lists import and_
from fibrostage.ground.stage import Staging
from fibrostage.report.drawing import Drawing
from fibrostage.report.figures.spec import FigureKind
from fibrostage.report.panels import TOGETHER
from fibrostage.report.results import Diagnosis, Results
from fibrostage.report.roc import Line, RocPanel, areas_said, panel_lines, roc_grid
from fibrostage.views.table import method_text

CURVES = 8  # the reference, then the others as they come


def draw(results: Results) -> list[Drawing]:
    """One seed's curves: a figure a cohort; a method keeps its place, and its colour where all share a panel."""
    found = results.beside_markers
    assert found is not None
    names = names_of(found)
    made = []
    for split in found.splits:
        panels = panels_of(found, results.judging, split, names)
        patients = found.of_seed(found.scores).filter(pl.col("split") == split)["patient_id"].n_unique()
        cuts = and_([title for title, _, _ in panels])
        about = f"ROC curves at {cuts}, {COHORTS[split]}. Areas under them: {areas_said(panels)}."
        shown = roc_grid([method_text(name) for name in names], panels, results.simulated, reference=True)
        percent = f"{100 * found.confidence:g} %"
        of_seed = "" if results.diagnosis is None else f" of seed {found.seed}"
        count = f"{patients} patients{of_seed}; each curve says its own n"
        if len(names) > TOGETHER:
            count += f"; the curve of the reference, {method_text(found.reference)}, stands in every panel"
        made.append(Drawing(shown, COHORTS[split], about, count, f"AUC with DeLong's {percent} interval"))
    return made


def names_of(found: Diagnosis) -> list[str]:
    """Whose curves are drawn: the reference's first."""
    others = [n for n in found.of_seed(found.scores)["method"].unique(maintain_order=True) if n != found.reference]
    return [found.reference, *others][:CURVES]


def panels_of(found: Diagnosis, staging: Staging, split: str, names: list[str]) -> list[RocPanel]:
    """The curves of one cohort at each cut that there are scores at."""
    scores = found.of_seed(found.scores).filter(pl.col("split") == split)
    panels: list[RocPanel] = []
    for cut in staging.cuts:
        group = scores.filter(pl.col("cut") == cut)
        if not len(group):
            continue
        panel, data = panel_of(group, staging, cut, found.reference, found.confidence)
        drawn = panel_lines(panel, list(panel.areas), data, staging.at_or_above(data.truth, cut))
        lines: dict[str, Line | None] = {}
        short = ""
        for name, line in zip(panel.areas, drawn, strict=True):
            if line is None:
                continue
            positives, n = int(line[2].sum()), len(line[2])
            if enough(positives, n):
                lines[name] = (method_text(name), *line[1:])
            else:
                short = short or shortage(positives, n)
        panels.append((staging.cut_name(cut), [lines.get(name) for name in names], short))
    return panels


FIGURE = FigureKind(
    "roc_beside_markers", "ROC curves beside the markers", lambda results: results.beside_markers is not None, draw
)
