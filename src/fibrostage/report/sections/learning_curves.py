"""Learning curves: how well the model stages as more is asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from fibrostage.active.strategy_expression import ALL, title_of
from fibrostage.analysis.few_patients import LEAST
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Drawing, Note, Section
from fibrostage.report.style import FAINT, LineStyle, drawing, figure, line_style, mark_simulated

COLOURED = 6  # curves in one panel that can be told apart


def blocks(results: Results) -> list[Block]:
    """The curves of every method."""
    assert results.curves is not None
    tested = sum(metrics.n_patients for metrics in results.metrics)
    if tested < LEAST:
        return [Note(f"Not drawn: a curve of {tested} test patients is mostly chance; {LEAST} are needed.")]
    drawn = learning_curves(results.curves, results.simulated, results.first.unit or "candidate")
    return [Drawing(drawn), Note("Mean over runs; the band is one standard deviation over runs.")]


def learning_curves(curves: pl.DataFrame, simulated: bool, unit: str = "candidate") -> Figure:
    """Average AUC against the share of the pool asked for: mean over runs, band = ± 1 standard deviation."""
    curves = curves.filter(pl.col("strategy") != ALL) if (curves["strategy"] != ALL).any() else curves
    methods = curves["method"].unique(maintain_order=True).to_list()
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
                line = LineStyle(color=FAINT, linestyle="-") if plain else line_style(shown.index(strategy))
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
        return made


def in_colour(curves: pl.DataFrame, strategies: Sequence[str]) -> list[str]:
    """The first strategy (RAND, mostly) and those of the highest curves; the others are drawn faintly."""
    if len(strategies) <= COLOURED:
        return list(strategies)
    height = {name: curves.filter(pl.col("strategy") == name)["auc_macro"].mean() or 0.0 for name in strategies}
    best = sorted(strategies[1:], key=lambda name: -float(height[name]))  # type: ignore[arg-type]
    return [strategies[0], *best[: COLOURED - 1]]


def curve_limits(curves: pl.DataFrame) -> tuple[float, float]:
    """Returns the lowest and highest AUC of all curves, rounded outwards to 0.05; 0.5 and 1 where there is none."""
    values = curves["auc_macro"].drop_nulls().to_numpy()
    if not len(values):
        return 0.5, 1.0
    return float(max(0.0, np.floor(values.min() * 20) / 20)), float(min(1.0, np.ceil(values.max() * 20) / 20))


SECTION = Section("learning_curves", "Learning curves", lambda results: results.curves is not None, blocks)
