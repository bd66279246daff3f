"""What a section of the page is: a title, when it is wanted, and the blocks it is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from fibrostage.report.results import Results
from fibrostage.report.style import to_svg
from fibrostage.views.table import TableView


@dataclass(frozen=True)
class Drawing:
    """A figure. `about` is what it shows where a section has several, `alt` what is seen in it, in words; `counted`
    says of how many patients it is (n), `interval` what interval it shows, or why none."""

    figure: Figure
    about: str = ""
    alt: str = ""
    counted: str = ""
    interval: str = ""
    kind: str = "drawing"

    @property
    def svg(self) -> str:
        """The figure as an element of the page."""
        return to_svg(self.figure)


@dataclass(frozen=True)
class Note:
    """What a reader must know of what stands above."""

    text: str
    kind: str = "note"


@dataclass(frozen=True)
class Heading:
    """A heading within the section."""

    text: str
    kind: str = "heading"


@dataclass(frozen=True)
class Bullets:
    """A list; a line may begin with a name that is set as code."""

    lines: tuple[tuple[str, str], ...]
    kind: str = "bullets"


@dataclass(frozen=True)
class Facts:
    """Names with what stands behind them."""

    pairs: tuple[tuple[str, str], ...]
    kind: str = "facts"


@dataclass(frozen=True)
class Folded:
    """A long text that is shown when it is asked for."""

    summary: str
    text: str
    kind: str = "folded"


@dataclass(frozen=True)
class ShownTable:
    """A table with its note."""

    view: TableView
    titled: bool = False
    kind: str = "table"


Block = Drawing | Note | Heading | Bullets | Facts | Folded | ShownTable


@dataclass(frozen=True)
class Section:
    """`blocks` is only called where `wanted`; `warns` sets the section apart, for what must be read first."""

    name: str
    title: str
    wanted: Callable[[Results], bool]
    blocks: Callable[[Results], list[Block]]
    warns: bool = False
