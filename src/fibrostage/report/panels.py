"""Small multiples: a row a method and a column a cut, for curves that would hide each other in one panel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from textwrap import fill

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fibrostage.report.style import figure
from fibrostage.results.predictions import TEST

TOGETHER = 3  # curves in one panel that can be told apart where they are alike
BEHIND = "#b4bdc7"  # of the curves that a panel is not of
WIDE, HIGH = 2.9, 2.3  # inches of a panel
LEAST = 1.1  # inches that a panel without a legend can be narrow
NARROW, LETTER, SMALL_LETTER = 2.0, 0.11, 0.062  # inches: a panel with smaller letters, and a title's letters
BELOW = 4.5  # letters from a panel to the legend under it

Grid = list[list[Axes]]


def panel_grid(rows: Sequence[str], columns: Sequence[str]) -> tuple[Figure, Grid]:
    """A figure of panels, each titled by its row and column; the panels as [row][column]."""
    across = len(columns) if len(columns) > 1 else 2 if len(rows) == 4 else min(TOGETHER, len(rows))  # one is folded
    down = -(-len(rows) * len(columns) // across)
    made, axes = figure(WIDE * across, HIGH * down, across, down, LEAST)
    for surplus in axes[len(rows) * len(columns) :]:
        surplus.set_axis_off()
    grid = [axes[k * len(columns) : (k + 1) * len(columns)] for k in range(len(rows))]
    for row, name in zip(grid, rows, strict=True):
        for ax, column in zip(row, columns, strict=True):
            title(ax, f"{name}, {column}")
    return made, grid


def method_grid(methods: Sequence[str], cuts: Sequence[str], high: float) -> tuple[Figure, Grid]:
    """A figure of methods at cuts, `high` inches: together in a panel a cut where they are few, else each in a row of
    its own. The panels as [row][column]."""
    if len(methods) > TOGETHER:
        return panel_grid(methods, cuts)
    made, axes = figure(3.7 * len(cuts), high, len(cuts))
    return made, [axes]


def title(ax: Axes, *lines: str) -> None:
    """A panel's title, its lines broken and its letters smaller where the panel is narrow."""
    size, letter = ("x-small", SMALL_LETTER) if is_narrow(ax) else ("medium", LETTER)
    ax.set_title("\n".join(fill(line, int(wide(ax) / letter)) for line in lines), fontsize=size)


def wide(ax: Axes) -> float:
    """How many inches a panel has, with what stands around it."""
    whole = ax.get_figure()
    return whole.get_figwidth() / beside(ax) if isinstance(whole, Figure) else WIDE


def is_narrow(ax: Axes) -> bool:
    """Whether a panel is one of several in a journal's column."""
    return wide(ax) < NARROW


def legend_below(ax: Axes, lines: Mapping[str, Line2D] | None = None) -> None:
    """A legend under a panel's numbers and name; `lines` by their labels, of which matplotlib hides those that begin
    with "_" where it takes them from the panel itself."""
    if lines is None:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=BELOW)
    else:
        named = list(lines.values()), list(lines)
        ax.legend(*named, loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=BELOW)


def outer_labels(grid: Grid, x: str, y: str, shared: str = "") -> None:
    """Names the axes where no other panel stands between them and the figure's edge. Of panels whose axes are `shared`
    ("x" or "xy") the figure names them once, and their numbers stand at its edge alone."""
    panels = [ax for row in grid for ax in row]
    across = beside(panels[0])
    whole = panels[0].get_figure()
    if shared and isinstance(whole, Figure):
        whole.supxlabel(x, fontsize="medium")
        whole.supylabel(y, fontsize="medium")
    for k, ax in enumerate(panels):
        below, first = k + across >= len(panels), k % across == 0
        if not shared:
            ax.set_xlabel(x if below else "")
            ax.set_ylabel(y if first else "")
        ax.tick_params(labelbottom=below or "x" not in shared, labelleft=first or "y" not in shared)


def beside(ax: Axes) -> int:
    """How many panels stand beside each other in the figure of one of them."""
    place = ax.get_subplotspec()
    return 1 if place is None else int(place.get_gridspec().ncols)


def say_why(ax: Axes, why: str) -> None:
    """Writes in an empty panel why there is nothing in it."""
    ax.text(
        0.5, 0.5, fill(f"Not drawn: {why}.", 28), ha="center", va="center", fontsize="small", transform=ax.transAxes
    )


def counted(tables: Iterable[pl.DataFrame]) -> str:
    """How many test patients methods were tested on, in words; `tables` are their predictions."""
    counts = sorted({table.filter(pl.col("split") == TEST)["patient_id"].n_unique() for table in tables})
    if len(counts) < 2:
        return f"{counts[0] if counts else 0} test patients"
    return f"{counts[0]} to {counts[-1]} test patients, by method"
