"""The participant flow: who came, who left and why, who trains and who tests."""

from __future__ import annotations

from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from fibrostage.report.drawing import Drawing
from fibrostage.report.figures.spec import FigureKind
from fibrostage.report.results import Results
from fibrostage.report.style import INK, LOOK, drawing, figure, mark_simulated
from fibrostage.results.metrics import ParticipantFlow

LINE = "#8a96a3"
NARROW = 120  # mm: a column in which words are broken sooner
STEP, LETTERS = 1.1, 0.17  # inches from box to box, and of a line of words


def draw(results: Results) -> list[Drawing]:
    """The flow's boxes."""
    flow = results.flow
    assert flow is not None
    left = "; ".join(f"{count} {reason}" for reason, count in flow.excluded.items())
    cohorts = (("in the training cohort", flow.training), ("in the test cohort", flow.test))
    ends = [f"{count} {name}" for name, count in cohorts if count is not None]
    parts = [f"{flow.enrolled} patients came", f"not studied: {left}" if left else "nobody was left out"]
    parts += [f"{flow.studied} studied with {flow.pictures:,} pictures", *ends]
    counted = f"{flow.enrolled} patients came, {flow.studied} are studied"
    return [
        Drawing(
            flow_figure(flow, results.simulated), "", f"Participant flow: {', then '.join(parts)}.", counted,
            "no interval: counts of patients",
        )
    ]  # fmt: skip


def flow_figure(flow: ParticipantFlow, simulated: bool) -> Figure:
    """Boxes from who came to who trains and who tests, with what left on the way."""
    column = LOOK.get().width
    signs = 24 if column is not None and column < NARROW else 44
    lines = [fill(f"{count} {reason}", signs, subsequent_indent="   ") for reason, count in flow.excluded.items()]
    left = "\n".join([f"{sum(flow.excluded.values())} not studied", *lines])
    studied = f"{flow.studied} patients,\n{flow.pictures:,} pictures"
    if flow.pictures_left_out:
        studied += f"\n{flow.pictures_left_out} pictures left out"
    if flow.unlabelled:
        studied += f"\n{flow.unlabelled} without a stage"
    ends = [(name, count) for name, count in (("training", flow.training), ("test", flow.test)) if count is not None]
    beside = LETTERS * (left.count("\n") + 2) if lines else 0.0
    gap = max(STEP, beside + 0.5)  # inches between who came and who stayed
    height = 0.7 + gap + (STEP + 0.2 if ends else 0.0) + LETTERS * studied.count("\n")
    with drawing():
        made, (ax,) = figure(7.2 if lines else 4.2, height, words=height - 0.41)
        ax.set_axis_off()
        ax.set_xlim(0, 10)
        ax.set_ylim(-height, 0)
        middle = 2.4 if lines else 5.0
        came = box(ax, middle, -0.35, f"{flow.enrolled} patients came")
        stayed = box(ax, middle, -0.35 - gap, studied)
        arrow(ax, came, stayed)
        if lines:
            level = -0.35 - gap / 2
            ax.plot([middle, 5.2], [level, level], color=LINE, linewidth=0.9, zorder=1)
            box(ax, 5.3, level, left, left=True)
        for x, (name, count) in zip((middle - 1.4, middle + 1.6), ends, strict=False):
            arrow(ax, stayed, box(ax, x, 0.4 - height, f"{name} cohort\n{count} patients"))
        mark_simulated(ax, simulated)
        return made


def box(ax: Axes, x: float, y: float, text: str, left: bool = False) -> Text:
    """Draws a framed text around (or, with `left`, beginning at) a point of the axes and returns it."""
    style = {"boxstyle": "round,pad=0.45", "facecolor": "white", "edgecolor": LINE, "linewidth": 0.9}
    place = "left" if left else "center"
    return ax.text(x, y, text, ha=place, va="center", fontsize="medium", color=INK, bbox=style, zorder=3)


def arrow(ax: Axes, start: Text, end: Text) -> None:
    """From the edge of one box to the edge of another."""
    style = {"arrowstyle": "-|>", "color": LINE, "linewidth": 0.9}
    style |= {"patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch()}
    ax.annotate("", xy=end.get_position(), xytext=start.get_position(), arrowprops=style)


FIGURE = FigureKind("participants", "Participants", lambda results: results.flow is not None, draw)
