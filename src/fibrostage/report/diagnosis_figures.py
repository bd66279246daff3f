"""The figures of a supervised study: ROC curves by cohort and cut, and the participant flow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from fibrostage.report.diagnosis import COHORTS, panel_of
from fibrostage.report.figures import panel_lines, roc_panel
from fibrostage.report.style import INK, drawing, figure, mark_simulated, to_svg
from fibrostage.stage import Staging

CURVES = 8  # in a panel: the reference, then the others as they come


def roc_grid(scores: pl.DataFrame, staging: Staging, reference: str, confidence: float, simulated: bool) -> str:
    """One seed's curves: a row a cohort, a column a cut; a method keeps its colour in every panel."""
    splits = [split for split in COHORTS if (scores["split"] == split).any()]
    cuts = [cut for cut in staging.cuts if (scores["cut"] == cut).any()]
    others = [name for name in scores["method"].unique(maintain_order=True) if name != reference]
    names = [reference, *others][:CURVES]
    with drawing():
        made, axes = figure(4.1 * len(cuts), 5.2 * len(splits), len(cuts), len(splits))
        panels = [(split, cut) for split in splits for cut in cuts]
        for ax, (split, cut) in zip(axes, panels, strict=True):
            group = scores.filter((pl.col("split") == split) & (pl.col("cut") == cut))
            if not len(group):
                ax.set_axis_off()
                continue
            panel, data = panel_of(group, staging, cut, reference, confidence)
            lines = dict(
                zip(
                    panel.areas,
                    panel_lines(panel, list(panel.areas), data, data.truth >= staging.threshold(cut)),
                    strict=True,
                )
            )
            roc_panel(ax, f"{staging.cut_name(cut)}, {COHORTS[split]}", [lines.get(name) for name in names], simulated)
        for ax in axes[:: len(cuts)]:
            ax.set_ylabel("sensitivity")
        return to_svg(made)


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
        box(ax, 3, 9.2, f"{flow['enrolled']} patients came")
        arrow(ax, (3, 8.6), (3, 5.3))
        if lines:
            arrow(ax, (3, 7.2), (5.2, 7.2))
            box(ax, 5.3, 7.2, "\n".join([f"{sum(excluded.values())} not studied", *lines]), left=True)
        box(ax, 3, 4.5, studied)
        for x, name, count in ((1.6, "training", flow.get("training")), (4.8, "test", flow.get("test"))):
            if count is not None:
                arrow(ax, (3, 3.6), (x, 1.7))
                box(ax, x, 1.0, f"{name} cohort\n{count} patients")
        mark_simulated(ax, simulated)
        return to_svg(made)


def box(ax: Any, x: float, y: float, text: str, left: bool = False) -> None:
    style = {"boxstyle": "round,pad=0.45", "facecolor": "white", "edgecolor": "#8a96a3", "linewidth": 0.9}
    ax.text(x, y, text, ha="left" if left else "center", va="center", fontsize=9, color=INK, bbox=style, zorder=3)


def arrow(ax: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "-|>", "color": "#8a96a3", "linewidth": 0.9})
