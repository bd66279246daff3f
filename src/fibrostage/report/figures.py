"""The figures of a report, each a function of tables: learning curves, ROC curves, confusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from fibrostage.active.strategy_expression import ALL, title_of
from fibrostage.analysis.compare_scores import Comparison, Data, Panel
from fibrostage.ground.stage import Staging
from fibrostage.report.style import COLOURS, DASHES, FAINT, INK, drawing, figure, mark_simulated, to_svg, to_svg_file
from fibrostage.results.predictions import scores_of
from fibrostage.stats.auc import auc_interval
from fibrostage.stats.roc import roc_curve

COLOURED = 6  # curves in one panel that can be told apart


def line_style(index: int) -> dict[str, Any]:
    """Colour and dash of the index-th line: as many different ones as a figure can bear."""
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": DASHES[index // len(COLOURS) % len(DASHES)]}


def learning_curves(curves: pl.DataFrame, simulated: bool, unit: str = "candidate") -> str:
    """Average AUC against the share of the pool asked for: mean over runs, band = ± 1 standard deviation."""
    methods = curves["method"].unique(maintain_order=True).to_list()
    curves = curves.filter(pl.col("strategy") != ALL) if (curves["strategy"] != ALL).any() else curves
    strategies = curves["strategy"].unique(maintain_order=True).to_list()
    shown = in_colour(curves, strategies)
    with drawing():
        columns = min(3, len(methods))
        rows = -(-len(methods) // columns)
        made, axes = figure(max(5.0, 3.6 * columns), 3.6 * rows, columns, rows)
        low, high = curve_limits(curves)
        for ax in axes[len(methods) :]:
            ax.set_axis_off()
        for ax, method in zip(axes, methods, strict=False):
            for strategy in sorted(strategies, key=lambda name: name in shown):
                plain = strategy not in shown
                line = {"color": FAINT, "linestyle": "-"} if plain else line_style(shown.index(strategy))
                part = curves.filter((pl.col("method") == method) & (pl.col("strategy") == strategy))
                by_round = (
                    part.group_by("round")
                    .agg(
                        pl.col("share").mean(),
                        pl.col("auc_macro").mean().alias("mean"),
                        pl.col("auc_macro").std().fill_null(0.0).alias("sd"),
                    )
                    .sort("round")
                )
                x, mean, sd = (by_round[name].to_numpy() for name in ("share", "mean", "sd"))
                if plain:
                    ax.plot(x, mean, linewidth=1, zorder=1, **line)
                    continue
                ax.fill_between(x, mean - sd, mean + sd, color=line["color"], alpha=0.15, linewidth=0)
                ax.plot(x, mean, marker="o", markersize=3, label=title_of(strategy), **line)
            runs = len(curves.filter(pl.col("method") == method).select("seed", "fold").unique())
            patients = round(float(curves.filter(pl.col("method") == method)["n_patients"].mean()))  # type: ignore[arg-type]
            ax.set_title(method.replace("+", " ⊕ "))
            ax.set_xlabel(f"{unit}s asked for\n{runs} runs, {patients} test patients each", fontsize=9)
            ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            ax.set_ylim(low, high)
            ax.grid(axis="y", color=FAINT, linewidth=0.6)
            mark_simulated(ax, simulated)
        axes[0].set_ylabel("average one-vs-rest AUC")
        axes[0].legend(loc="lower right")
        return to_svg(made)


def in_colour(curves: pl.DataFrame, strategies: Sequence[str]) -> list[str]:
    """The first strategy (RAND, mostly) and those of the highest curves; the others are drawn faintly."""
    if len(strategies) <= COLOURED:
        return list(strategies)
    height = {name: curves.filter(pl.col("strategy") == name)["auc_macro"].mean() or 0.0 for name in strategies}
    best = sorted(strategies[1:], key=lambda name: -float(height[name]))  # type: ignore[arg-type]
    return [strategies[0], *best[: COLOURED - 1]]


def curve_limits(curves: pl.DataFrame) -> tuple[float, float]:
    values = curves["auc_macro"].drop_nulls().to_numpy()
    if not len(values):
        return 0.5, 1.0
    return float(max(0.0, np.floor(values.min() * 20) / 20)), float(min(1.0, np.ceil(values.max() * 20) / 20))


def roc_figure(predictions: Mapping[str, pl.DataFrame], staging: Staging, simulated: bool) -> str:
    """One panel a cut, one curve a method, with AUC, DeLong interval and n."""
    with drawing():
        made, axes = figure(3.7 * len(staging.cuts), 3.9, len(staging.cuts))
        for ax, cut in zip(axes, staging.cuts, strict=True):
            lines: list[Line | None] = []
            for method, table in predictions.items():
                positive, score = scores_of(table, staging).at_cut(staging, cut)
                drawable = min(positive.sum(), (~positive).sum()) >= 2
                label = f"{method.replace('+', ' ⊕ ')}  {auc_interval(positive, score) if drawable else ''}"
                lines.append((label, positive, score) if drawable else None)
            roc_panel(ax, staging.cut_name(cut), lines, simulated)
        axes[0].set_ylabel("sensitivity")
        return to_svg(made)


Line = tuple[str, NDArray[np.bool_], NDArray[np.float64]]  # label, who is positive, score


def roc_panel(ax: Axes, title: str, curves: Sequence[Line | None], simulated: bool) -> None:
    """One panel of ROC curves, None where a curve is not defined: its colour stays its own in every panel.

    Labels are given to the legend, as matplotlib hides those that begin with "_".
    """
    lines = {}
    for index, found in enumerate(curves):
        if found is not None:
            label, positive, score = found
            curve = roc_curve(positive, score)
            lines[label] = ax.plot(curve.fpr, curve.tpr, linewidth=1.6, **line_style(index))[0]
    ax.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, zorder=0)
    ax.set_aspect("equal")
    ax.set_title(title)
    ax.set_xlabel("1 − specificity")
    if lines:
        ax.legend(lines.values(), lines.keys(), loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=8)
    mark_simulated(ax, simulated)


def scores_figure(made: Comparison) -> str:
    """An .svg file: the ROC curve of each score, a panel a cut, with the area and interval of the table."""
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
        return to_svg_file(made_figure)


def panel_lines(panel: Panel, names: Sequence[str], data: Data, positive: NDArray[np.bool_]) -> list[Line | None]:
    """The curve of each score on the rows that have it, labelled with the area of the table."""
    lines: list[Line | None] = []
    for index, name in enumerate(names):
        rows, area = ~np.isnan(data.scores[index]), panel.areas[name]
        label = f"{name}  {area.figure}, n = {area.n}"
        lines.append(None if area.figure.value is None else (label, positive[rows], data.scores[index, rows]))
    return lines


def confusion_figure(confusions: Sequence[tuple[str, Any]], classes: Sequence[str], simulated: bool) -> str:
    """Patients by true and called stage, one panel a method; shade is the share of the true stage."""
    with drawing():
        columns = min(3, len(confusions))
        rows = -(-len(confusions) // columns)
        made, axes = figure(3.1 * columns, 3.0 * rows, columns, rows)
        for ax in axes[len(confusions) :]:
            ax.set_axis_off()
        for ax, (method, counts) in zip(axes, confusions, strict=False):
            table = np.asarray(counts)
            totals = table.sum(axis=1, keepdims=True)
            share = np.divide(table, totals, out=np.zeros(table.shape), where=totals > 0)
            ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
            for i in range(len(classes)):
                for j in range(len(classes)):
                    colour = "white" if share[i, j] > 0.6 else INK
                    ax.text(j, i, str(table[i, j]), ha="center", va="center", fontsize=9, color=colour)
            ax.set_xticks(range(len(classes)), classes)
            ax.set_yticks(range(len(classes)), classes)
            ax.set_title(method.replace("+", " ⊕ "))
            ax.set_xlabel(f"called (n = {int(table.sum())})")
            for spine in ax.spines.values():
                spine.set_visible(False)
            ax.tick_params(length=0)
            mark_simulated(ax, simulated)
        axes[0].set_ylabel("true stage")
        return to_svg(made)
