"""ROC curves of networks beside markers, a figure a cohort and a panel a cut."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure

from fibrostage.analysis.networks_and_markers import COHORTS, panel_of
from fibrostage.ground.stage import Staging
from fibrostage.report.results import Diagnosis, Results
from fibrostage.report.roc import panel_lines, roc_panel
from fibrostage.report.sections.spec import Block, Drawing, Note, Section
from fibrostage.report.style import drawing, figure

CURVES = 8  # in a panel: the reference, then the others as they come


def blocks(results: Results) -> list[Block]:
    """One seed's curves."""
    found = results.diagnosis
    assert found is not None
    figures: list[Block] = [Drawing(drawn) for drawn in roc_figures(found, results.staging, results.simulated)]
    note = Note(
        f"Seed {found.seed}, one point a patient, AUC with DeLong's interval; the other seeds, and methods beyond "
        "eight, stand in comparison.csv. A training cohort's curves are of patients the networks have seen."
    )
    return [*figures, note]


def roc_figures(found: Diagnosis, staging: Staging, simulated: bool) -> list[Figure]:
    """One seed's curves: a figure a cohort, a panel a cut; a method keeps its colour in every panel."""
    scores, reference = found.of_seed(found.scores), found.reference
    cuts = [cut for cut in staging.cuts if (scores["cut"] == cut).any()]
    others = [name for name in scores["method"].unique(maintain_order=True) if name != reference]
    names = [reference, *others][:CURVES]
    figures = []
    for split in found.splits:
        with drawing():
            made, axes = figure(4.1 * len(cuts), 4.8, len(cuts))
            for ax, cut in zip(axes, cuts, strict=True):
                group = scores.filter((pl.col("split") == split) & (pl.col("cut") == cut))
                if not len(group):
                    ax.set_axis_off()
                    continue
                panel, data = panel_of(group, staging, cut, reference, found.confidence)
                positive = staging.at_or_above(data.truth, cut)
                lines = dict(zip(panel.areas, panel_lines(panel, list(panel.areas), data, positive), strict=True))
                title = f"{staging.cut_name(cut)}, {COHORTS[split]}"
                roc_panel(ax, title, [lines.get(name) for name in names], simulated)
            axes[0].set_ylabel("sensitivity")
            figures.append(made)
    return figures


SECTION = Section(
    "roc_beside_markers", "ROC curves beside the markers", lambda results: results.diagnosis is not None, blocks
)
