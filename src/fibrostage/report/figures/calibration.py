"""Whether probabilities mean what they say: observed shares against mean probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fibrostage.analysis.probabilities import IN_GROUP, AtCut
from fibrostage.report.drawing import Drawing
from fibrostage.report.figures.spec import FigureKind
from fibrostage.report.panels import TOGETHER, counted, legend_below, method_grid, outer_labels, say_why
from fibrostage.report.results import Results
from fibrostage.report.style import FAINT, drawing, line_style, mark_simulated
from fibrostage.stats.calibration import Calibration
from fibrostage.views.table import method_text


def draw(results: Results) -> list[Drawing]:
    """The methods at each cut where there are patients enough."""
    found = [one for one in results.at_cuts if one.calibration is not None]
    slopes = [
        f"{method_text(one.method)} at {results.judging.cut_name(one.cut)} {one.calibration.slope}"
        for one in found
        if one.calibration is not None
    ]
    alt = f"Share of patients at or above a cut against the probability said. Slopes (1 is right): {', '.join(slopes)}."
    interval = (
        f"groups of like probability, of {IN_GROUP} patients or more where probabilities do not tie, each with "
        "Wilson's interval"
    )
    return [
        Drawing(calibration_figure(found, results), "", alt, counted(run.predictions for run in results.told), interval)
    ]


def calibration_figure(found: Sequence[AtCut], results: Results) -> Figure:
    """Observed share against mean probability, in groups of like probability, with Wilson's interval."""
    cuts = [cut for cut in results.judging.cuts if any(one.cut == cut for one in found)]
    titles = [results.judging.cut_name(cut) for cut in cuts]
    methods = list(dict.fromkeys(one.method for one in found))
    apart = len(methods) > TOGETHER
    with drawing():
        made, grid = method_grid([method_text(method) for method in methods], titles, 4.4 + 0.2 * len(methods))
        for row, own in enumerate(grid):
            for ax, cut in zip(own, cuts, strict=True):
                shown = [one for one in found if one.cut == cut and (not apart or one.method == methods[row])]
                for one in shown:
                    if one.calibration is not None:
                        points(ax, one.calibration, methods.index(one.method), method_text(one.method))
                panel_look(ax, results.simulated)
                if apart and not shown:
                    say_why(ax, why_not(results, methods[row], cut))
                if apart:
                    ax.set_anchor("W")
                else:
                    ax.set_title(results.judging.cut_name(cut))
                    legend_below(ax)
        outer_labels(grid, "probability said", "share that was so", shared="xy" if apart else "")
        return made


def why_not(results: Results, method: str, cut: str) -> str:
    """Why nothing is drawn of a method at a cut."""
    return next((one.why for one in results.at_cuts if (one.method, one.cut) == (method, cut)), "not learned")


def points(ax: Axes, made: Calibration, index: int, name: str) -> None:
    """A method's groups, in the colour of its place."""
    bins = [group for group in made.bins if group.observed.value is not None]
    x = np.array([group.mean_probability for group in bins])
    y = np.array([group.observed.value for group in bins], dtype=np.float64)
    low = np.array([group.observed.lo for group in bins], dtype=np.float64)
    high = np.array([group.observed.hi for group in bins], dtype=np.float64)
    label = f"{name}, n = {made.n}"
    ax.errorbar(x, y, yerr=np.abs([y - low, high - y]), marker="o", linewidth=1, label=label, **line_style(index))


def panel_look(ax: Axes, simulated: bool) -> None:
    """What every panel has: the line of probabilities that mean what they say, and sides of one length."""
    ax.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, zorder=0)
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.set_xticks([0, 0.5, 1])
    ax.set_yticks([0, 0.5, 1])
    ax.set_aspect("equal")
    mark_simulated(ax, simulated)


def wanted(results: Results) -> bool:
    """Whether any method has test patients enough."""
    return any(one.calibration is not None for one in results.at_cuts)


FIGURE = FigureKind("calibration", "Do the probabilities mean what they say?", wanted, draw)
