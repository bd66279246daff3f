"""One look for every figure: quiet axes, colour-blind safe colours, vector output that embeds in a page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from fibrostage import SIMULATED
from fibrostage.ground.files import replace_file

# Okabe & Ito's palette, safe for the common kinds of colour blindness
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", ":")
INK, FAINT = "#1d2733", "#d5dbe1"

RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#8a96a3",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "svg.fonttype": "none",  # the reader's own fonts: any script, selectable, small
    "svg.hashsalt": "fibrostage",
}


@contextmanager
def drawing() -> Iterator[None]:
    """Gives figures drawn in the block the look of this file; signs that a font lacks are not warned of."""
    with mpl.rc_context(RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def figure(width: float, height: float, columns: int = 1, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure with its axes row by row; no window system is involved."""
    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(made)
    return made, list(made.subplots(rows, columns, squeeze=False).flat)


def mark_simulated(axes: Axes, simulated: bool) -> None:
    """Writes across the axes that the data are simulated, where they are."""
    if simulated:
        axes.text(
            0.5, 0.5, SIMULATED, transform=axes.transAxes, ha="center", va="center",
            fontsize=26, color="#c0392b", alpha=0.10, rotation=20, weight="bold", zorder=0,
        )  # fmt: skip


DPI = 300


def write_figure(made: Figure, path: Path, title: str) -> None:
    """A figure for a paper or a slide, of the format that its suffix names, under a title of its own.

    Raises `RunError` where it cannot be written.
    """
    kind = path.suffix[1:].lower()
    dated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    with drawing():
        made.suptitle(title, x=0.01, ha="left", fontsize=12)
        replace_file(
            path, lambda temporary: made.savefig(temporary, format=kind, dpi=DPI, bbox_inches="tight", metadata=dated)
        )
        made.suptitle("")


def to_svg(made: Figure) -> str:
    """The figure as an <svg> element that scales with its page."""
    buffer = io.StringIO()
    with drawing():
        made.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    width = float(re.search(r'width="([\d.]+)pt"', text).group(1))  # type: ignore[union-attr]
    size = f'style="width:100%;max-width:{width * 4 / 3:.0f}px"'
    return re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', size, text, count=1)


class LineStyle(TypedDict):
    """Colour and dash of a line."""

    color: str
    linestyle: str


def line_style(index: int) -> LineStyle:
    """Colour and dash of the index-th line: as many different ones as a figure can bear."""
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": DASHES[index // len(COLOURS) % len(DASHES)]}
