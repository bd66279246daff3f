"""Learning curves: how well the model stages as more is asked for.

A few strategies share a panel a method. Of many, each has a panel of its own beside the first (RAND, mostly), with the
others faint behind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from fibrostage.active.strategy_expression import ALL, title_of
from fibrostage.analysis.few_patients import LEAST
from fibrostage.report.drawing import Drawing
from fibrostage.report.figures.spec import FigureKind
from fibrostage.report.panels import BEHIND, TOGETHER, outer_labels, panel_grid
from fibrostage.report.results import Results
from fibrostage.report.style import FAINT, drawing, figure, line_style, mark_simulated
from fibrostage.views.table import method_text

AUC = "average one-vs-rest AUC"


@dataclass(frozen=True)
class MeanCurve:
    """A method and strategy: share of the pool [R], average AUC [R], its mean over runs where there are several, and
    the `low` and `high` [R] of its band: one standard deviation over runs, or the interval of a single run's patients
    (NaN where a round has none)."""

    share: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


Curves = dict[tuple[str, str], MeanCurve]  # by method and strategy


def draw(results: Results) -> list[Drawing]:
    """The curves of every method and strategy."""
    assert results.curves is not None
    table = asked_only(results.curves)
    found = mean_curves(table)
    ends = [
        f"{method_text(method)} {title_of(strategy)} {curve.mean[0]:.3f} to {curve.mean[-1]:.3f}"
        for (method, strategy), curve in found.items()
    ]
    alt = f"Average AUC against the share of the pool asked for. From the first round to the last: {', '.join(ends)}."
    made = learning_curves(table, results.simulated, results.first.unit or "candidate")
    return [Drawing(made, "", alt, tested(table), band_said(table, found))]


def band_said(table: pl.DataFrame, found: Curves) -> str:
    """What the bands are: of several runs how much they differ, of one the interval of its patients."""
    if runs_of(table) > 1:
        return "mean over runs; the band is one standard deviation over runs, no interval of patients"
    if any(np.isfinite(curve.low).any() for curve in found.values()):
        return "the band is the interval of the test patients"
    return "no interval: some stage has too few test patients for one"


def tested(table: pl.DataFrame) -> str:
    """How many runs a method has, and on how many patients each is tested."""
    runs = runs_of(table)
    patients = [
        round(value) for value in table.group_by("method").agg(pl.col("n_patients").mean())["n_patients"].to_list()
    ]
    few, many = min(patients), max(patients)
    each = str(few) if few == many else f"{few} to {many}"
    return f"{runs} runs a method, {each} test patients each" if runs > 1 else f"one run, {each} test patients"


def runs_of(table: pl.DataFrame) -> int:
    """How many runs a method has."""
    runs = table.group_by("method").agg(pl.struct("seed", "fold").n_unique().alias("runs"))["runs"]
    return int(runs.to_numpy().max())


def asked_only(curves: pl.DataFrame) -> pl.DataFrame:
    """The curves of strategies that asked, where there are any."""
    return curves.filter(pl.col("strategy") != ALL) if (curves["strategy"] != ALL).any() else curves


def mean_curves(table: pl.DataFrame) -> Curves:
    """The mean over runs, round by round, of each method and strategy in their order."""
    found: Curves = {}
    several, bounds = runs_of(table) > 1, {"auc_macro_lo", "auc_macro_hi"} <= set(table.columns)
    for method, strategy in table.select("method", "strategy").unique(maintain_order=True).iter_rows():
        part = table.filter((pl.col("method") == method) & (pl.col("strategy") == strategy))
        by_round = (
            part.group_by("round")
            .agg(
                pl.col("share").mean(),
                pl.col("auc_macro").mean().alias("mean"),
                pl.col("auc_macro").std().fill_null(0.0).alias("sd"),
            )
            .sort("round")
        )
        share, mean, sd = (by_round[name].to_numpy().astype(np.float64) for name in ("share", "mean", "sd"))
        low, high = mean - sd, mean + sd
        if not several:
            own = part.sort("round").select(pl.col("^auc_macro_(lo|hi)$").cast(pl.Float64).fill_null(np.nan))
            low, high = (
                (own["auc_macro_lo"].to_numpy(), own["auc_macro_hi"].to_numpy()) if bounds else (mean * np.nan,) * 2
            )
        found[method, strategy] = MeanCurve(share, mean, low, high)
    return found


def learning_curves(curves: pl.DataFrame, simulated: bool, unit: str = "candidate") -> Figure:
    """Average AUC against the share of the pool asked for: mean over runs, band = ± 1 standard deviation."""
    found, limits = mean_curves(curves), curve_limits(curves)
    methods = list(dict.fromkeys(method for method, _ in found))
    strategies = list(dict.fromkeys(strategy for _, strategy in found))
    named = [method_text(method) for method in methods]
    with drawing():
        if len(strategies) > TOGETHER:
            made, grid = panel_grid([title_of(strategy) for strategy in strategies[1:]], named)
            for own, row in enumerate(grid, start=1):
                for ax, method in zip(row, methods, strict=True):
                    beside_first(ax, found, method, strategies, own)
        else:
            columns = 2 if len(methods) == 4 else min(3, len(methods))
            rows = -(-len(methods) // columns)
            made, axes = figure(max(5.0, 3.6 * columns), 3.6 * rows, columns, rows)
            for surplus in axes[len(methods) :]:
                surplus.set_axis_off()
            for ax, method, name in zip(axes, methods, named, strict=False):
                for index, strategy in enumerate(strategies):
                    one_curve(ax, found.get((method, strategy)), index, strategy)
                ax.set_title(name)
            grid = [axes[: len(methods)]]
            lines, names = axes[0].get_legend_handles_labels()
            made.legend(lines, names, loc="outside lower center", ncols=len(names))
        for ax in (ax for row in grid for ax in row):
            ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            ax.set_xticks([0, 0.5, 1])
            ax.set_ylim(*limits)
            ax.grid(axis="y", color=FAINT, linewidth=0.6)
            mark_simulated(ax, simulated)
        apart = len(strategies) > TOGETHER
        outer_labels(grid, f"{unit}s asked for", "average AUC" if apart else AUC, shared="xy" if apart else "")
        return made


def one_curve(ax: Axes, curve: MeanCurve | None, index: int, strategy: str) -> None:
    """A curve with its band, in the colour of its place; nothing where a method lacks it."""
    if curve is None:
        return
    line = line_style(index)
    ax.fill_between(curve.share, curve.low, curve.high, color=line["color"], alpha=0.15, linewidth=0)
    ax.plot(curve.share, curve.mean, marker="o", label=title_of(strategy), **line)


def beside_first(ax: Axes, found: Curves, method: str, strategies: list[str], own: int) -> None:
    """One strategy's curve and the first's, named in the panel, with the others faint behind."""
    for strategy in strategies[1:]:
        behind = found.get((method, strategy))
        if behind is not None and strategy != strategies[own]:
            ax.plot(behind.share, behind.mean, color=BEHIND, linewidth=0.8, zorder=1)
    for index, shown in ((0, strategies[0]), (1, strategies[own])):
        one_curve(ax, found.get((method, shown)), index, shown)
    ax.legend(loc="lower right", handlelength=1.0, borderaxespad=0.1)


def curve_limits(curves: pl.DataFrame) -> tuple[float, float]:
    """Returns the lowest and highest AUC of all curves and bands, rounded outwards to 0.05 with room for a marker; 0.5
    and 1 where there is none."""
    drawn = [own for curve in mean_curves(curves).values() for own in (curve.mean, curve.low, curve.high)]
    values = np.concatenate([curves["auc_macro"].drop_nulls().to_numpy(), *drawn])
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.5, 1.0
    low, high = np.floor((values.min() - 0.01) * 20) / 20, np.ceil((values.max() + 0.01) * 20) / 20
    return float(max(0.0, low)), float(min(1.0, high))


def wanted(results: Results) -> bool:
    """Whether something was asked for, and patients enough were tested on what came of it."""
    return results.curves is not None and sum(metrics.n_patients for metrics in results.metrics) >= LEAST


FIGURE = FigureKind("learning_curves", "Learning curves", wanted, draw)
