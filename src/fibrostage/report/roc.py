"""ROC curves: panels of curves with their areas, wherever they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fibrostage.analysis.compare_scores import Comparison, Data, Panel
from fibrostage.analysis.few_patients import enough, shortage
from fibrostage.ground.stage import Staging
from fibrostage.report.style import FAINT, drawing, figure, line_style, mark_simulated
from fibrostage.results.predictions import scores_of
from fibrostage.stats.auc import auc_interval
from fibrostage.stats.roc import roc_curve
from fibrostage.views.table import method_text


def roc_figure(predictions: Mapping[str, pl.DataFrame], staging: Staging, simulated: bool) -> Figure:
    """One panel a cut, one curve a method, with AUC, DeLong interval and n."""
    with drawing():
        made, axes = figure(3.7 * len(staging.cuts), 3.9, len(staging.cuts))
        for ax, cut in zip(axes, staging.cuts, strict=True):
            lines: list[Line | None] = []
            short = ""
            for method, table in predictions.items():
                positive, score = scores_of(table, staging).at_cut(staging, cut)
                drawable = enough(int(positive.sum()), len(positive))
                label = f"{method_text(method)}  {auc_interval(positive, score) if drawable else ''}"
                lines.append((label, positive, score) if drawable else None)
                short = short or ("" if drawable else shortage(int(positive.sum()), len(positive)))
            roc_panel(ax, staging.cut_name(cut), lines, simulated, short)
        axes[0].set_ylabel("sensitivity")
        return made


Line = tuple[str, NDArray[np.bool_], NDArray[np.float64]]  # label, who is positive, score


def roc_panel(
    ax: Axes, title: str, curves: Sequence[Line | None], simulated: bool, short: str = "not defined here"
) -> None:
    """One panel of ROC curves, None where a curve is not defined: its colour stays its own in every panel.

    Where there is no curve at all, `short` says why. Labels are given to the legend, as matplotlib hides those that
    begin with "_".
    """
    lines = {}
    for index, found in enumerate(curves):
        if found is not None:
            label, positive, score = found
            curve = roc_curve(positive, score)
            lines[label] = ax.plot(curve.fpr, curve.tpr, linewidth=1.6, **line_style(index))[0]
    if not lines:
        say_why(ax, short)
    ax.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, zorder=0)
    ax.set_aspect("equal")
    ax.set_title(title)
    ax.set_xlabel("1 − specificity")
    if lines:
        ax.legend(lines.values(), lines.keys(), loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=8)
    mark_simulated(ax, simulated)


def say_why(ax: Axes, why: str) -> None:
    """Writes in an empty panel why there is nothing in it."""
    ax.text(0.5, 0.5, fill(f"Not drawn: {why}.", 28), ha="center", va="center", fontsize=8, transform=ax.transAxes)


def scores_figure(made: Comparison) -> Figure:
    """The ROC curve of each score, a panel a cut, with the area and interval of the table."""
    data, names = made.data, made.question.every
    panels = [(made.question.truth, made.main, data.truth == 1)]
    if data.staging is not None:
        staging = data.staging
        panels = [(staging.cut_name(cut.name), cut, staging.at_or_above(data.truth, cut.name)) for cut in made.cuts]
    with drawing():
        made_figure, axes = figure(max(4.4, 3.7 * len(panels)), 4.3, len(panels))
        for ax, (title, panel, positive) in zip(axes, panels, strict=True):
            roc_panel(ax, title, panel_lines(panel, names, data, positive), made.simulated)
        axes[0].set_ylabel("sensitivity")
        return made_figure


def panel_lines(panel: Panel, names: Sequence[str], data: Data, positive: NDArray[np.bool_]) -> list[Line | None]:
    """Makes the curve of each score on the rows that have it, labelled with the area of the table.

    `positive` [n] marks the rows of `data` that the panel counts as positive; a curve is None where its area is not
    defined.
    """
    lines: list[Line | None] = []
    for index, name in enumerate(names):
        rows, area = ~np.isnan(data.scores[index]), panel.areas[name]
        label = f"{name}  {area.figure}, n = {area.n}"
        lines.append(None if area.figure.value is None else (label, positive[rows], data.scores[index, rows]))
    return lines
