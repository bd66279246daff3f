"""What a section of the page is: a title, when it is wanted, and the blocks it is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fibrostage.report.drawing import Drawing
from fibrostage.report.results import Results
from fibrostage.views.table import TableView

__all__ = ["Block", "Bullets", "Drawing", "Facts", "Folded", "Heading", "Note", "Section", "ShownTable"]


@dataclass(frozen=True)
class Note:
    """What a reader must know of what stands above; of the `kind` "lead" what a section is for, in full ink."""

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
    """`blocks` is only called where `wanted`; `warns` sets the section apart, for what must be read first. Where it is
    not wanted, `why` says in whole sentences why it is not on the page and how it is made, and nothing where nobody
    would look for it."""

    name: str
    title: str
    wanted: Callable[[Results], bool]
    blocks: Callable[[Results], list[Block]]
    warns: bool = False
    why: Callable[[Results], str] = lambda results: ""
