"""A figure as an element of the page: an <svg> whose ids are its own, and whose colours turn where the page is dark.

Letters are drawn as paths, so that nothing depends on the reader's fonts; a figure with letters that no font here has
(another script's, mostly) keeps them as text, for the reader's own fonts to show.
"""

from __future__ import annotations

import colorsys
import io
import re
import warnings
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.figure import Figure

from fibrostage.report.style import AS_IS, drawing

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
HREF = f"{{{XLINK}}}href"
COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
TURNING = re.compile(r"var\(--turn-([0-9a-f]{6})")
LONG = re.compile(r"-?\d+\.\d{3,}")
GREY = 40  # how far red, green and blue of a grey lie apart at most, of 255
DIM, BRIGHT = 112, 0.55  # a colour darker than the one (of 255) is made as light as the other (of 1)
LIGHTEST, DARKEST = 0.93, 0.11  # lightness on a dark page of what is black and white on a light one
POINTS = 4 / 3  # CSS pixels in a point


def to_svg(made: Figure, name: str = "figure", alt: str = "", turning: bool = True) -> str:
    """The figure as an <svg> that scales with its page; `name` begins its ids, `alt` says what it shows.

    With `turning`, greys and dark colours are written so that a page can turn them (`dark_colours`).
    """
    root = ElementTree.fromstring(drawn(made))
    for metadata in root.findall(f"{{{SVG}}}metadata"):
        root.remove(metadata)
    named = set(re.findall(r"#([A-Za-z_][\w.-]*)", " ".join(v for e in root.iter() for v in e.attrib.values())))
    settle(root, name, named, turning)
    width = float(root.attrib.pop("width").removesuffix("pt")) * POINTS
    root.attrib.pop("height")
    root.set("style", f"width:100%;max-width:{width:.0f}px;--wide:{width:.0f}px")
    root.set("role", "img")
    root.set("aria-label", alt or name)
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    return ElementTree.tostring(root, encoding="unicode")


def drawn(made: Figure) -> str:
    """matplotlib's SVG of a figure, its letters as paths where there is a font that has them."""

    def svg(fonts: str) -> str:
        buffer = io.StringIO()
        with mpl.rc_context({"svg.fonttype": fonts}):
            made.savefig(buffer, format="svg", bbox_inches="tight", transparent=True, metadata={"Date": None})
        return buffer.getvalue()

    with drawing(), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        text = svg("path")
        lacking = any("missing from font" in str(warning.message) for warning in said)
        return svg("none") if lacking else text


def settle(element: ElementTree.Element, name: str, named: set[str], turning: bool) -> None:
    """Gives an element and those below ids that begin with `name`, where something refers to them (`named`), and
    colours that can turn."""
    own = element.attrib.pop("id", None)
    turning = turning and not (own or "").startswith(AS_IS)
    if own in named:
        element.set("id", f"{name}-{own}")
    for key, value in element.attrib.items():
        changed = re.sub(r"url\(#", f"url(#{name}-", value)
        if key in (HREF, "href") and changed.startswith("#"):
            changed = f"#{name}-{changed[1:]}"
        if turning and key in ("style", "fill", "stroke"):
            changed = COLOUR.sub(lambda found: turned(found[0].lower()), changed)
        if key in ("d", "points", "x", "y"):
            changed = LONG.sub(lambda found: f"{float(found[0]):.2f}", changed)
        element.set(key, changed)
    for below in element:
        settle(below, name, named, turning)


def turned(colour: str) -> str:
    """A grey, or a dark colour, as what a page can turn, with what it is on a light one; another as it is."""
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    spread, middle = max(red, green, blue) - min(red, green, blue), (max(red, green, blue) + min(red, green, blue)) / 2
    return f"var(--turn-{colour[1:]}, {colour})" if spread <= GREY or middle < DIM else colour


def dark_colours(html: str) -> str:
    """What the colours that turn in such a page are where it is dark, as the declarations of a CSS rule."""
    return " ".join(f"--turn-{one}: {on_dark(one)};" for one in sorted(set(TURNING.findall(html))))


def on_dark(colour: str) -> str:
    """The colour of as much contrast on a dark page as a colour (six hexadecimal digits) has on white."""
    red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (0, 2, 4))
    hue, light, saturation = colorsys.rgb_to_hls(red, green, blue)
    if 255 * (max(red, green, blue) - min(red, green, blue)) > GREY:
        return hexadecimal(colorsys.hls_to_rgb(hue, max(light, BRIGHT), saturation * 0.8))
    other = LIGHTEST - light * (LIGHTEST - DARKEST)
    return hexadecimal(colorsys.hls_to_rgb(hue, other, saturation * 0.6))


def hexadecimal(parts: tuple[float, float, float]) -> str:
    """Red, green and blue of 0 to 1 as a colour is written."""
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)
