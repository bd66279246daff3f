"""What a figure of the report is: a name, when it can be drawn, and the function that draws it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fibrostage.report.drawing import Drawing
from fibrostage.report.results import Results


@dataclass(frozen=True)
class FigureKind:
    """`draw` is only called where `wanted`, and gives the figure (or several: of cohorts, of runs), each with what it
    shows in words, its n, and its interval or why it has none. Where the results are simulated each says so."""

    name: str
    title: str
    wanted: Callable[[Results], bool]
    draw: Callable[[Results], list[Drawing]]
