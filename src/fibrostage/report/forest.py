"""A forest plot: a figure with its interval a row, beside its name and its number of patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from fibrostage.report.style import COLOURS, FAINT, INK, drawing, figure, mark_simulated
from fibrostage.stats.estimate import Estimate

LINE = 0.27  # inches of a row


@dataclass(frozen=True)
class ForestRow:
    """A row; `estimate` is None where nothing is drawn, and `heads` says that it stands over those below it."""

    name: str
    estimate: Estimate | None
    said: str
    heads: bool = False


def forest_figure(rows: Sequence[ForestRow], whole: Estimate, title: str, axis: str, simulated: bool) -> Figure:
    """Draws the rows from top to bottom against a line at the figure of all patients, the band its interval."""
    with drawing():
        made, (ax,) = figure(7.4, 1.2 + LINE * len(rows))
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
            ax.text(1.02, at, row.said, transform=ax.get_yaxis_transform(), va="center", fontsize="small", color=INK)
        ax.set_yticks(range(len(rows)), [row.name for row in rows], fontsize="small")
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
