"""The figures of a supervised study: ROC curves by cohort and cut, and the participant flow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.text import Text

from fibrostage.analysis.networks_and_markers import COHORTS, panel_of
from fibrostage.ground.stage import Staging
from fibrostage.report.figures import panel_lines, roc_panel
from fibrostage.report.style import INK, drawing, figure, mark_simulated, to_svg

LINE = "#8a96a3"
CURVES = 8  # in a panel: the reference, then the others as they come


def roc_figures(
    scores: pl.DataFrame, staging: Staging, reference: str, confidence: float, simulated: bool
) -> list[str]:
    """One seed's curves: a figure a cohort, a panel a cut; a method keeps its colour in every panel."""
    splits = [split for split in COHORTS if (scores["split"] == split).any()]
    cuts = [cut for cut in staging.cuts if (scores["cut"] == cut).any()]
    others = [name for name in scores["method"].unique(maintain_order=True) if name != reference]
    names = [reference, *others][:CURVES]
    figures = []
    for split in splits:
        with drawing():
            made, axes = figure(4.1 * len(cuts), 4.8, len(cuts))
            for ax, cut in zip(axes, cuts, strict=True):
                group = scores.filter((pl.col("split") == split) & (pl.col("cut") == cut))
                if not len(group):
                    ax.set_axis_off()
                    continue
                panel, data = panel_of(group, staging, cut, reference, confidence)
                positive = staging.at_or_above(data.truth, cut)
                lines = dict(zip(panel.areas, panel_lines(panel, list(panel.areas), data, positive), strict=True))
                title = f"{staging.cut_name(cut)}, {COHORTS[split]}"
                roc_panel(ax, title, [lines.get(name) for name in names], simulated)
            axes[0].set_ylabel("sensitivity")
            figures.append(to_svg(made))
    return figures


def flow_figure(flow: Mapping[str, Any], simulated: bool) -> str:
    """Boxes from who came to who trains and who tests, with what left on the way."""
    excluded = flow["excluded"]
    lines = [f"{count} {reason}" for reason, count in excluded.items()]
    studied = f"{flow['studied']} patients, {flow['pictures']:,} pictures"
    if flow["pictures_left_out"]:
        studied += f"\n{flow['pictures_left_out']} pictures left out"
    if flow["unlabelled"]:
        studied += f"\n{flow['unlabelled']} without a stage"
    with drawing():
        made, (ax,) = figure(7.2, 3.4 + 0.16 * len(lines))
        ax.set_axis_off()
        ax.set_xlim(0, 10)
        ax.set_ylim(0, 10)
        came = box(ax, 3, 9.2, f"{flow['enrolled']} patients came")
        stayed = box(ax, 3, 4.6, studied)
        arrow(ax, came, stayed)
        if lines:
            ax.plot([3, 5.2], [7.1, 7.1], color=LINE, linewidth=0.9, zorder=1)
            box(ax, 5.3, 7.1, "\n".join([f"{sum(excluded.values())} not studied", *lines]), left=True)
        for x, name in ((1.4, "training"), (4.6, "test")):
            if flow.get(name) is not None:
                arrow(ax, stayed, box(ax, x, 0.8, f"{name} cohort\n{flow[name]} patients"))
        mark_simulated(ax, simulated)
        return to_svg(made)


def box(ax: Axes, x: float, y: float, text: str, left: bool = False) -> Text:
    style = {"boxstyle": "round,pad=0.45", "facecolor": "white", "edgecolor": LINE, "linewidth": 0.9}
    return ax.text(
        x, y, text, ha="left" if left else "center", va="center", fontsize=9, color=INK, bbox=style, zorder=3
    )


def arrow(ax: Axes, start: Text, end: Text) -> None:
    """From the edge of one box to the edge of another."""
    style = {"arrowstyle": "-|>", "color": LINE, "linewidth": 0.9}
    style |= {"patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch()}
    ax.annotate("", xy=end.get_position(), xytext=start.get_position(), arrowprops=style)
