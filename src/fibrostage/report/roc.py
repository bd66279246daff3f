"""ROC curves: panels of curves with their areas, wherever they come from.

A few curves share a panel with a legend. Many would hide each other, so each gets a panel of its own, with its area
written in it and the others faint behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fibrostage.analysis.compare_scores import Comparison, Data, Panel
from fibrostage.analysis.few_patients import enough, shortage
from fibrostage.ground.stage import Staging
from fibrostage.report.panels import BEHIND, TOGETHER, is_narrow, legend_below, outer_labels, panel_grid, say_why, title
from fibrostage.report.style import FAINT, drawing, figure, line_style, mark_simulated
from fibrostage.results.predictions import scores_of
from fibrostage.stats.auc import auc_interval
from fibrostage.stats.roc import roc_curve
from fibrostage.views.table import method_text

NOT_DEFINED = "not defined here"


def roc_panels(predictions: Mapping[str, pl.DataFrame], staging: Staging, confidence: float = 0.95) -> list[RocPanel]:
    """A panel a cut with a curve a method, and its AUC with DeLong's interval."""
    panels: list[RocPanel] = []
    for cut in staging.cuts:
        lines: list[Line | None] = []
        short = ""
        for method, table in predictions.items():
            positive, score = scores_of(table, staging).at_cut(staging, cut)
            drawable = enough(int(positive.sum()), len(positive))
            label = (method_text(method), str(auc_interval(positive, score, confidence)) if drawable else "")
            lines.append((*label, positive, score) if drawable else None)
            short = short or ("" if drawable else shortage(int(positive.sum()), len(positive)))
        panels.append((staging.cut_name(cut), lines, short))
    return panels


Line = tuple[str, str, NDArray[np.bool_], NDArray[np.float64]]  # name, its area, who is positive, score
RocPanel = tuple[str, Sequence[Line | None], str]  # title, a curve a name (None: not defined), why there is none


def roc_grid(names: Sequence[str], panels: Sequence[RocPanel], simulated: bool, reference: bool = False) -> Figure:
    """Draws the curves of `names`: together in a panel where they are few, else each in a panel of its own.

    With `reference`, the first of many is drawn in each panel beside the one that the panel is of.
    """
    with drawing():
        if len(names) > TOGETHER:
            return roc_multiples(names, panels, simulated, reference)
        made, axes = figure(max(4.4, 3.7 * len(panels)), 4.3 + 0.2 * len(names), len(panels))
        for ax, (named, lines, short) in zip(axes, panels, strict=True):
            roc_panel(ax, named, lines, simulated, short or NOT_DEFINED)
        axes[0].set_ylabel("sensitivity")
        return made


def roc_multiples(names: Sequence[str], panels: Sequence[RocPanel], simulated: bool, reference: bool) -> Figure:
    """A row a name and a column a panel: its curve with its area, the others faint, or the reference beside it."""
    made, grid = panel_grid(names, [named for named, _, _ in panels])
    for column, (_, lines, short) in enumerate(panels):
        for row in range(len(names)):
            ax, own = grid[row][column], lines[row]
            for other in lines if not reference else ():
                if other is not None and other is not own:
                    ax.plot(*curve_of(other), color=BEHIND, linewidth=0.8, zorder=1)
            if reference and row and lines[0] is not None:
                ax.plot(*curve_of(lines[0]), **line_style(0))
            if own is None:
                say_why(ax, short or NOT_DEFINED)
            else:
                ax.plot(*curve_of(own), **line_style(min(row, 1) if reference else row))
                title(ax, f"{names[row]}, {panels[column][0]}", *own[1].split(", "))
            base_of(ax)
            ax.set_anchor("W")
            ax.set_xticks([0, 0.5, 1])
            ax.set_yticks([0, 0.5, 1])
            mark_simulated(ax, simulated)
    outer_labels(grid, "1 − specificity", "sensitivity", shared="xy")
    return made


def curve_of(line: Line) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The points of a curve: false and true positives' shares."""
    curve = roc_curve(line[2], line[3])
    return curve.fpr, curve.tpr


def base_of(ax: Axes) -> None:
    """What every panel of ROC curves has: the line of chance, and sides of one length."""
    ax.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, zorder=0)
    ax.set_aspect("equal")


def roc_panel(ax: Axes, titled: str, curves: Sequence[Line | None], simulated: bool, short: str = NOT_DEFINED) -> None:
    """One panel of ROC curves, None where a curve is not defined: its colour stays its own in every panel.

    Where there is no curve at all, `short` says why. Labels are given to the legend, as matplotlib hides those that
    begin with "_".
    """
    lines, apart = {}, "\n" if is_narrow(ax) else "  "
    for index, found in enumerate(curves):
        if found is not None:
            lines[f"{found[0]}{apart}{found[1]}"] = ax.plot(*curve_of(found), **line_style(index))[0]
    if not lines:
        say_why(ax, short)
    base_of(ax)
    ax.set_title(titled)
    ax.set_xlabel("1 − specificity")
    if lines:
        legend_below(ax, lines)
    mark_simulated(ax, simulated)


def scores_figure(made: Comparison) -> Figure:
    """The ROC curve of each score, a panel a cut, with the area and interval of the table."""
    return roc_grid(made.question.every, scores_panels(made), made.simulated)


def scores_panels(made: Comparison) -> list[RocPanel]:
    """The curves of each score, a panel a cut; of a binary truth one."""
    data, names = made.data, made.question.every
    found = [(made.question.truth, made.main, data.truth == 1)]
    if data.staging is not None:
        staging = data.staging
        found = [(staging.cut_name(cut.name), cut, staging.at_or_above(data.truth, cut.name)) for cut in made.cuts]
    return [(named, panel_lines(panel, names, data, positive), "") for named, panel, positive in found]


def panel_lines(panel: Panel, names: Sequence[str], data: Data, positive: NDArray[np.bool_]) -> list[Line | None]:
    """Makes the curve of each score on the rows that have it, labelled with the area of the table.

    `positive` [n] marks the rows of `data` that the panel counts as positive; a curve is None where its area is not
    defined.
    """
    lines: list[Line | None] = []
    for index, name in enumerate(names):
        rows, area = ~np.isnan(data.scores[index]), panel.areas[name]
        said = f"{area.figure}, n = {area.n}"
        lines.append(None if area.figure.value is None else (name, said, positive[rows], data.scores[index, rows]))
    return lines


def areas_said(panels: Sequence[RocPanel]) -> str:
    """The areas of panels in words, for who does not see the curves."""
    said = []
    for named, lines, short in panels:
        known = [f"{line[0]} {line[1]}" for line in lines if line is not None]
        said.append(f"{named}: {', '.join(known) or short or NOT_DEFINED}")
    return ". ".join(said)
