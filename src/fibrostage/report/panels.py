"""Small multiples: a row a method and a column a cut, for curves that would hide each other in one panel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import fill

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fibrostage.report.style import figure

TOGETHER = 3  # curves in one panel that can be told apart where they are alike
BEHIND = "#b4bdc7"  # of the curves that a panel is not of
WIDE, HIGH = 2.9, 2.3  # inches of a panel
LEAST = 1.1  # inches that a panel without a legend can be narrow
NARROW, LETTER, SMALL_LETTER = 2.0, 0.085, 0.055  # inches: a panel with smaller letters, and a title's letters

Grid = list[list[Axes]]


def panel_grid(rows: Sequence[str], columns: Sequence[str]) -> tuple[Figure, Grid]:
    """A figure of panels, each titled by its row and column; the panels as [row][column]."""
    made, axes = figure(WIDE * len(columns), HIGH * len(rows), len(columns), len(rows), LEAST)
    grid = [axes[k * len(columns) : (k + 1) * len(columns)] for k in range(len(rows))]
    for row, name in zip(grid, rows, strict=True):
        for ax, column in zip(row, columns, strict=True):
            title(ax, f"{name}, {column}")
    return made, grid


def title(ax: Axes, *lines: str) -> None:
    """A panel's title, its lines broken and its letters smaller where the panel is narrow."""
    whole = ax.get_figure()
    wide = whole.get_figwidth() / beside(ax) if isinstance(whole, Figure) else WIDE
    size, letter = ("medium", LETTER) if wide > NARROW else ("x-small", SMALL_LETTER)
    ax.set_title("\n".join(fill(line, int(wide / letter)) for line in lines), fontsize=size)


def outer_labels(grid: Grid, x: str, y: str, shared: str = "") -> None:
    """Names the axes where no other panel stands between them and the figure's edge; the numbers of axes that all
    panels share ("x", "y" or "xy") stand there alone."""
    panels = [ax for row in grid for ax in row]
    across = beside(panels[0])
    for k, ax in enumerate(panels):
        below, first = k + across >= len(panels), k % across == 0
        ax.set_xlabel(x if below else "")
        ax.set_ylabel(y if first else "")
        ax.tick_params(labelbottom=below or "x" not in shared, labelleft=first or "y" not in shared)


def beside(ax: Axes) -> int:
    """How many panels stand beside each other in the figure of one of them."""
    place = ax.get_subplotspec()
    return 1 if place is None else int(place.get_gridspec().ncols)


def counted(tables: Iterable[pl.DataFrame]) -> str:
    """How many test patients methods were tested on, in words; `tables` are their predictions."""
    counts = sorted({table["patient_id"].n_unique() for table in tables})
    if len(counts) < 2:
        return f"{counts[0] if counts else 0} test patients"
    return f"{counts[0]} to {counts[-1]} test patients, by method"


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them: "a, b and c"."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
