"""The participant flow: who came, who left and why, who trains and who tests."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Drawing, Section
from fibrostage.report.style import INK, drawing, figure, mark_simulated
from fibrostage.results.metrics import ParticipantFlow

LINE = "#8a96a3"


def blocks(results: Results) -> list[Block]:
    """The flow's boxes."""
    assert results.flow is not None
    return [Drawing(flow_figure(results.flow, results.simulated))]


def flow_figure(flow: ParticipantFlow, simulated: bool) -> Figure:
    """Boxes from who came to who trains and who tests, with what left on the way."""
    excluded = flow.excluded
    lines = [f"{count} {reason}" for reason, count in excluded.items()]
    studied = f"{flow.studied} patients, {flow.pictures:,} pictures"
    if flow.pictures_left_out:
        studied += f"\n{flow.pictures_left_out} pictures left out"
    if flow.unlabelled:
        studied += f"\n{flow.unlabelled} without a stage"
    with drawing():
        made, (ax,) = figure(7.2, 3.4 + 0.16 * len(lines))
        ax.set_axis_off()
        ax.set_xlim(0, 10)
        ax.set_ylim(0, 10)
        came = box(ax, 3, 9.2, f"{flow.enrolled} patients came")
        stayed = box(ax, 3, 4.6, studied)
        arrow(ax, came, stayed)
        if lines:
            ax.plot([3, 5.2], [7.1, 7.1], color=LINE, linewidth=0.9, zorder=1)
            box(ax, 5.3, 7.1, "\n".join([f"{sum(excluded.values())} not studied", *lines]), left=True)
        for x, name, count in ((1.4, "training", flow.training), (4.6, "test", flow.test)):
            if count is not None:
                arrow(ax, stayed, box(ax, x, 0.8, f"{name} cohort\n{count} patients"))
        mark_simulated(ax, simulated)
        return made


def box(ax: Axes, x: float, y: float, text: str, left: bool = False) -> Text:
    """Draws a framed text around (or, with `left`, beginning at) a point of the axes and returns it."""
    style = {"boxstyle": "round,pad=0.45", "facecolor": "white", "edgecolor": LINE, "linewidth": 0.9}
    return ax.text(
        x, y, text, ha="left" if left else "center", va="center", fontsize=9, color=INK, bbox=style, zorder=3
    )


def arrow(ax: Axes, start: Text, end: Text) -> None:
    """From the edge of one box to the edge of another."""
    style = {"arrowstyle": "-|>", "color": LINE, "linewidth": 0.9}
    style |= {"patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch()}
    ax.annotate("", xy=end.get_position(), xytext=start.get_position(), arrowprops=style)


SECTION = Section("participants", "Participants", lambda results: results.flow is not None, blocks)
