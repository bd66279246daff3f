"""Patients called rightly and wrongly: what was said, what it rests on, and where in the pictures; one a figure."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fibrostage.ground.lists import and_
from fibrostage.ground.numbers import signed
from fibrostage.report.attribution import draw_map
from fibrostage.report.drawing import Drawing
from fibrostage.report.figures.spec import FigureKind
from fibrostage.report.results import Results
from fibrostage.report.style import COLOURS, FAINT, INK, drawing, figure, mark_simulated
from fibrostage.results.examples import ExamplePatient, ExamplePicture

RIGHT, WRONG = COLOURS[0], COLOURS[1]
ADDS = "#7a8794"  # as no share is right or wrong
WIDE, HIGH, LEAST = 1.75, 2.5, 1.1  # inches of a panel


def draw(results: Results) -> list[Drawing]:
    """A figure a patient, by stage, the right before the wrong."""
    assert results.examples is not None
    found = results.examples
    return [drawing_of(one, found.n, found.simulated) for one in found.patients]


def drawing_of(one: ExamplePatient, n: int, simulated: bool) -> Drawing:
    """One patient: the probability of each stage, what each modality adds, and its pictures."""
    pictures = one.pictures
    with drawing():
        made, axes = figure(WIDE * (2 + len(pictures)), HIGH, 2 + len(pictures), 1, LEAST)
        draw_probabilities(axes[0], one)
        draw_shares(axes[1], one)
        for ax, picture in zip(axes[2:], pictures, strict=True):
            draw_picture(ax, picture)
        for ax in axes:
            mark_simulated(ax, simulated)
    how = "rightly" if one.right else "wrongly"
    sure = f"{one.probabilities[one.called]:.2f}"
    about = f"Truly {one.stage}, called {one.called} with probability {sure}"
    rule = f"the surest of {one.of} of stage {one.stage} who were called {how}, of {n} test patients"
    seen = and_([f"{name} {signed(share, 2)}" for name, share in one.shares.items()])
    counted = and_([f"{count} {name}" for name, count in one.counts.items() if count])
    alt = f"{about}. What each modality adds, in log-odds a stage up: {seen}. {len(pictures)} pictures with heat maps."
    return Drawing(made, f"{about}: {rule}", alt, f"of {counted} those that add most", "no interval: one patient")


def draw_probabilities(ax: Axes, one: ExamplePatient) -> None:
    """The probability of each stage: the one called filled, the true one named so."""
    colour = RIGHT if one.right else WRONG
    for at, (stage, value) in enumerate(one.probabilities.items()):
        ax.bar(at, value, color=colour if stage == one.called else FAINT, width=0.75)
    true = list(one.probabilities).index(one.stage)
    ax.annotate("true", (true, one.probabilities[one.stage]), ha="center", va="bottom", color=INK, fontsize="small")
    ax.set_xticks(range(len(one.probabilities)), list(one.probabilities), fontsize="small")
    ax.set_ylim(0, 1.12)
    ax.set_yticks([0, 0.5, 1])
    ax.set_title("said", fontsize="medium")
    ax.set_xlabel("probability", fontsize="small")


def draw_shares(ax: Axes, one: ExamplePatient) -> None:
    """What each modality adds, against the mean of the training patients."""
    values = list(one.shares.values())
    ax.barh(range(len(values)), values, color=ADDS, height=0.6)
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_yticks(range(len(values)), list(one.shares), fontsize="small")
    ax.set_ylim(max(len(values), 2) - 0.4, -0.6)
    most = max((abs(value) for value in values), default=0.0) or 1.0
    ax.set_xlim(-1.15 * most, 1.15 * most)
    ax.xaxis.set_major_locator(MaxNLocator(3, symmetric=True))
    ax.tick_params(axis="x", labelsize="small")
    ax.set_title("adds", fontsize="medium")
    ax.set_xlabel("log-odds a stage up", fontsize="small")


def draw_picture(ax: Axes, picture: ExamplePicture) -> None:
    """A picture under its map, with what it adds."""
    ax.set_axis_off()
    draw_map(ax, picture.pixels, picture.heat, picture.box)
    ax.set_title(f"{picture.modality} {signed(picture.share, 2)}", fontsize="medium")


def wanted(results: Results) -> bool:
    """Whether `explain --examples` was called."""
    return results.examples is not None


FIGURE = FigureKind("examples", "Patients called rightly and wrongly", wanted, draw)
