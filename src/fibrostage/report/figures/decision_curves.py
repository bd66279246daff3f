"""Whether acting on the probabilities helps: net benefit against threshold (Vickers & Elkin 2006)."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fibrostage.analysis.probabilities import AtCut
from fibrostage.report.drawing import Drawing
from fibrostage.report.figures.calibration import why_not
from fibrostage.report.figures.spec import FigureKind
from fibrostage.report.panels import BEHIND, TOGETHER, counted, legend_below, method_grid, outer_labels, say_why
from fibrostage.report.results import Results
from fibrostage.report.style import FAINT, INK, drawing, line_style, mark_simulated
from fibrostage.stats.decision import DecisionCurve
from fibrostage.views.table import method_text


def draw(results: Results) -> list[Drawing]:
    """The methods at each cut where there are patients enough."""
    found = [one for one in results.at_cuts if one.decision is not None]
    alt = (
        f"Net benefit against threshold probability. {'. '.join(helps(one, results) for one in found)}. "
        "Acting on everybody and on nobody are drawn beside."
    )
    percent = f"{100 * results.first.confidence:g} %"
    return [
        Drawing(
            decision_figure(found, results), "", alt, counted(run.predictions for run in results.told),
            f"the band is the {percent} interval at each threshold",
        )
    ]  # fmt: skip


def helps(one: AtCut, results: Results) -> str:
    """In words, on which thresholds a method is better than acting on everybody and on nobody."""
    curve = one.decision
    assert curve is not None
    best = curve.net_benefit > curve.treat_all.clip(min=0)
    name = f"{method_text(one.method)} at {results.judging.cut_name(one.cut)}"
    if not best.any():
        return f"{name} never above both"
    better = curve.thresholds[best]
    return f"{name} above both at {best.sum()} of {len(best)} thresholds, {better.min():.2f} to {better.max():.2f}"


def decision_figure(found: Sequence[AtCut], results: Results) -> Figure:
    """Net benefit against threshold."""
    cuts = [cut for cut in results.judging.cuts if any(one.cut == cut for one in found)]
    titles = [results.judging.cut_name(cut) for cut in cuts]
    methods = list(dict.fromkeys(one.method for one in found))
    apart = len(methods) > TOGETHER
    with drawing():
        made, grid = method_grid([method_text(method) for method in methods], titles, 3.9)
        for row, own in enumerate(grid):
            for ax, cut in zip(own, cuts, strict=True):
                curves = {one.method: one.decision for one in found if one.cut == cut and one.decision is not None}
                for method, curve in curves.items():
                    if apart and method != methods[row]:
                        ax.plot(curve.thresholds, curve.net_benefit, color=BEHIND, linewidth=0.8, zorder=1)
                    else:
                        benefit(ax, curve, methods.index(method), method_text(method))
                if apart and methods[row] not in curves:
                    say_why(ax, why_not(results, methods[row], cut))
                panel_look(ax, next(iter(curves.values())), results.simulated)
                if not apart:
                    ax.set_title(results.judging.cut_name(cut))
                    legend_below(ax)
        outer_labels(grid, "threshold probability", "net benefit", shared="x" if apart else "")
        return made


def benefit(ax: Axes, curve: DecisionCurve, index: int, name: str) -> None:
    """A method's curve with its band, in the colour of its place."""
    line = line_style(index)
    ax.plot(curve.thresholds, curve.net_benefit, label=f"{name}, n = {curve.n}", **line)
    ax.fill_between(curve.thresholds, curve.lo, curve.hi, color=line["color"], alpha=0.12, linewidth=0)


def panel_look(ax: Axes, any_curve: DecisionCurve, simulated: bool) -> None:
    """What every panel has: acting on everybody and on nobody, and the range of what can be gained."""
    ax.plot(any_curve.thresholds, any_curve.treat_all, color="#8a96a3", linewidth=1, zorder=0)
    ax.axhline(0, color=INK, linewidth=0.7, zorder=0)
    ax.set_ylim(-0.08, max(0.1, float(any_curve.treat_all.max()) + 0.05))
    ax.grid(axis="y", color=FAINT, linewidth=0.6)
    mark_simulated(ax, simulated)


def wanted(results: Results) -> bool:
    """Whether any method has test patients enough."""
    return any(one.decision is not None for one in results.at_cuts)


FIGURE = FigureKind("decision_curves", "Would acting on them help?", wanted, draw)
