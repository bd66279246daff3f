"""One look for every figure: quiet axes, colour-blind safe colours, fonts that go with the file.

What a group or a journal wants lies over it (`looking`): a matplotlib style file, and a column's width, at which the
panels of a figure are set anew, fewer beside each other, at the size that is printed.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import matplotlib as mpl
from cycler import cycler
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image

from fibrostage import SIMULATED
from fibrostage.ground.files import replace_file

# Okabe & Ito's palette, safe for the common kinds of colour blindness
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", ":")
INK, FAINT = "#1d2733", "#d5dbe1"
MM = 1 / 25.4  # inches
LEAST_PANEL = 1.7  # inches: a panel with a legend cannot be narrower
WORDS = 0.6  # inches of a panel's height that its words take, at any width
TALLEST = 240.0  # mm of a journal's page

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
    "axes.prop_cycle": cycler(color=COLOURS),
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": "small",
    "lines.linewidth": 1.6,
    "lines.markersize": 3,
    "pdf.fonttype": 42,  # TrueType, embedded; journals refuse type 3
    "svg.fonttype": "path",
}
COLUMN: dict[Any, Any] = {  # what a column of a journal can bear
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.linewidth": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.0,
    "lines.markersize": 2,
}
FIXED: dict[Any, Any] = {"svg.hashsalt": "fibrostage"}  # the same figure is the same file


@dataclass(frozen=True)
class FigureLook:
    """How figures are drawn: `style` are matplotlib's settings that lie over ours, `width` is that of a journal's
    column [mm], None for the page's own, and `tallest` what such a column bears [mm]. `stretch` says that a figure
    that is narrower than the column is drawn as wide as that, which a journal wants; on a page it stays as it is."""

    style: Mapping[str, object] = field(default_factory=dict)
    width: float | None = None
    tallest: float = TALLEST
    stretch: bool = True


PLAIN = FigureLook()
LOOK: ContextVar[FigureLook] = ContextVar("look", default=PLAIN)


@contextmanager
def looking(look: FigureLook) -> Iterator[None]:
    """Figures that are drawn in the block are drawn so."""
    token = LOOK.set(look)
    try:
        yield
    finally:
        LOOK.reset(token)


@contextmanager
def drawing() -> Iterator[None]:
    """Gives figures drawn in the block the look of this file; signs that a font lacks are not warned of."""
    look = LOOK.get()
    settings = {**RC, **({} if look.width is None else COLUMN), **look.style, **FIXED}
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def figure(
    width: float, height: float, columns: int = 1, rows: int = 1, least: float = LEAST_PANEL, words: float = WORDS
) -> tuple[Figure, list[Axes]]:
    """A figure of so many inches with its axes row by row; no window system is involved.

    In a journal's column it is as wide as that, with as many panels beside each other as can be `least` inches wide;
    a panel's height shrinks as its width does, but for the inches that its `words` take.
    """
    look, panels = LOOK.get(), rows * columns
    if look.width is not None:
        column = look.width if look.stretch else min(look.width, width / MM)
        fits = max(1, min(columns, int(column * MM / least)))
        whole = max((k for k in range(2, fits + 1) if columns % k == 0), default=fits)  # a row's panels stay together
        for beside in (whole, fits):
            below = -(-panels // beside)
            shrunk = column * MM / beside / (width / columns)
            tall = (words + max(0.4, height / rows - words) * shrunk) * below
            if tall <= look.tallest * MM:
                break
        width, height, columns, rows = column * MM, min(look.tallest * MM, tall), beside, below
    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(made)
    axes = list(made.subplots(rows, columns, squeeze=False).flat)
    for surplus in axes[panels:]:
        surplus.set_axis_off()
    return made, axes[:panels]


def mark_simulated(axes: Axes, simulated: bool) -> None:
    """Writes across the axes that the data are simulated, where they are."""
    if not simulated:
        return
    place, whole = axes.get_subplotspec(), axes.get_figure()
    beside = place.get_gridspec().ncols if place is not None else 1
    wide = whole.get_figwidth() / beside if isinstance(whole, Figure) else 3.6
    axes.text(
        0.5, 0.5, SIMULATED, transform=axes.transAxes, ha="center", va="center",
        fontsize=min(24.0, 5.4 * wide), color="#c0392b", alpha=0.14, rotation=20, weight="bold", zorder=0,
    ).set_in_layout(False)  # fmt: skip


AS_IS = "as-is"


def keep_colour(artist: Artist) -> None:
    """Keeps an artist's colour where a page is dark: it stands on something that stays light, or dark."""
    artist.set_gid(AS_IS)


DPI = 300


def write_figure(made: Figure, path: Path, title: str) -> None:
    """A figure for a paper or a slide, of the format that its suffix names, under a title of its own.

    In a journal's column it is exactly as wide as that, and has no title, as the caption stands beside it. Raises
    `RunError` where it cannot be written.
    """
    kind = path.suffix[1:].lower()
    titled = LOOK.get().width is None
    with drawing():
        if titled:
            made.suptitle(title, x=0.01, ha="left", fontsize=12)
        replace_file(path, lambda temporary: save(made, temporary, kind, "tight" if titled else None))
        if titled:
            made.suptitle("")


def save(made: Figure, path: Path, kind: str, cut: str | None) -> None:
    """One file of a kind that matplotlib writes, or a TIFF without transparency, 300 dots an inch, packed without loss
    (LZW)."""
    dated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    if kind not in ("tif", "tiff"):
        made.savefig(path, format=kind, dpi=DPI, bbox_inches=cut, metadata=dated)
        return
    buffer = io.BytesIO()
    made.savefig(buffer, format="png", dpi=DPI, bbox_inches=cut)
    with Image.open(buffer) as drawn:
        drawn.convert("RGB").save(path, format="tiff", dpi=(DPI, DPI), compression="tiff_lzw")


class LineStyle(TypedDict):
    """Colour and dash of a line."""

    color: str
    linestyle: str


def line_style(index: int) -> LineStyle:
    """Colour and dash of the index-th line: as many different ones as a figure can bear."""
    colours = mpl.rcParams["axes.prop_cycle"].by_key().get("color", list(COLOURS))
    dashes = DASHES[index // len(colours) % len(DASHES)]
    return {"color": str(colours[index % len(colours)]), "linestyle": dashes}
