"""Where networks look, a figure a run."""

from __future__ import annotations

from fibrostage.report.drawing import Drawing
from fibrostage.report.figures.spec import FigureKind
from fibrostage.report.results import Results


def draw(results: Results) -> list[Drawing]:
    """The pictures that `explain` left, with what speaks for the stage called and against it."""
    made = []
    for one in results.attributions:
        shown = len(one.picture.axes)
        inside = "" if one.inside.share is None else f" Of the attribution {one.inside.share} lies inside the box."
        alt = f"{shown} pictures with red where they speak for the stage called and blue against it.{inside}"
        counted = f"{shown} pictures, of {shown} of {one.inside.n} test patients"
        made.append(Drawing(one.picture, one.title, alt, counted, "no interval: single pictures"))
    return made


FIGURE = FigureKind("attributions", "Where the network looks", lambda results: bool(results.attributions), draw)
