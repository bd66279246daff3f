"""A forest plot: a figure with its interval a row, beside its name and its number of patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from fibrostage.report.style import COLOURS, FAINT, INK, LOOK, WORDS, drawing, figure, mark_simulated
from fibrostage.stats.estimate import Estimate

LINE, TWO_LINES = 0.27, 0.34  # inches of a row
NARROW = 120  # mm: a column in which a row's words stand under its name


@dataclass(frozen=True)
class ForestRow:
    """A row; `estimate` is None where nothing is drawn, and `heads` says that it stands over those below it."""

    name: str
    estimate: Estimate | None
    said: str
    heads: bool = False


def forest_figure(rows: Sequence[ForestRow], whole: Estimate, title: str, axis: str, simulated: bool) -> Figure:
    """Draws the rows from top to bottom against a line at the figure of all patients, the band its interval."""
    column = LOOK.get().width
    narrow = column is not None and column < NARROW
    with drawing():
        height = 1.2 + (TWO_LINES if narrow else LINE) * len(rows)
        made, (ax,) = figure(7.4, height, words=height - 0.4 if narrow else WORDS)
        if whole.value is not None:
            ax.axvline(whole.value, color=INK, linewidth=0.8, linestyle="--", zorder=1)
        if whole.lo is not None and whole.hi is not None:
            ax.axvspan(whole.lo, whole.hi, color=FAINT, alpha=0.5, linewidth=0, zorder=0)
        for at, row in enumerate(rows):
            found = row.estimate
            if found is not None and found.value is not None:
                if found.lo is not None and found.hi is not None:
                    ax.plot([found.lo, found.hi], [at, at], color=COLOURS[0], linewidth=1.4, zorder=2)
                ax.plot([found.value], [at], "s", color=COLOURS[0], markersize=5, zorder=3)
            if not narrow:
                ax.text(
                    1.02, at, row.said, transform=ax.get_yaxis_transform(), va="center", fontsize="small", color=INK
                )
        names = [f"{row.name}\n{row.said}".strip() if narrow else row.name for row in rows]
        ax.set_yticks(range(len(rows)), names, fontsize="small")
        for label, row in zip(ax.get_yticklabels(), rows, strict=True):
            label.set_fontweight("bold" if row.heads else "normal")
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(len(rows) - 0.4, -0.6)
        lows = [row.estimate.lo for row in rows if row.estimate is not None and row.estimate.lo is not None]
        ax.set_xlim(min([0.5, *lows]) - 0.02, 1.02)
        ax.set_title(title)
        ax.set_xlabel(axis)
        mark_simulated(ax, simulated)
        return made
