"""The report: one HTML file with everything in it, figures as vectors, nothing fetched from anywhere.

Whatever a section gives takes part: its figures stand with their captions and are described for who does not see them,
its tables sort and are headed. The same page, without what needs a screen, is what the PDF is made of.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from fibrostage import RESEARCH_USE, SIMULATED, __version__
from fibrostage.ground.errors import RunError
from fibrostage.report.inline import dark_colours, to_svg
from fibrostage.report.results import Results
from fibrostage.report.sections import SECTIONS
from fibrostage.report.sections.spec import Block, Drawing, Section
from fibrostage.report.style import write_figure
from fibrostage.views.table import marked

Sections = list[tuple[Section, list[Block]]]
FOR_PAPERS = (".pdf", ".png")  # what --figures writes
CSS_INCH = 96  # CSS pixels
PHONE, PHONE_PIXELS = 89.0, 345  # mm that a figure for a phone is wide, and pixels that a phone leaves for one
PAPER = 182.0  # mm that A4 leaves


class Headed(Protocol):
    """What a page is of: its title, what stands below that, and whether its patients exist."""

    @property
    def name(self) -> str: ...

    @property
    def about(self) -> str: ...

    @property
    def simulated(self) -> bool: ...


@dataclass(frozen=True)
class FigureInPage:
    """A figure as it stands in the page, with its caption; `narrow` is the same for a phone, empty where one form does
    for both."""

    picture: str
    caption: str
    narrow: str = ""
    kind: str = "drawing"


@dataclass(frozen=True)
class ShownSection:
    """A section as it stands in the page."""

    name: str
    title: str
    warns: bool
    blocks: tuple[Block | FigureInPage, ...]


def made_folder(folder: Path) -> Path:
    """The folder, made where it is not there; raises `RunError` where it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write to {folder}: {error.strerror}") from None
    return folder


def sections_of(results: Results) -> Sections:
    """Every section that is wanted with its blocks, in their order."""
    return [(section, section.blocks(results)) for section in SECTIONS if section.wanted(results)]


def named_figures(sections: Sections) -> dict[str, tuple[Section, Drawing]]:
    """The figures of sections by the names of their files: the section's, numbered where it has several."""
    found = {}
    for section, blocks in sections:
        drawn = [block for block in blocks if isinstance(block, Drawing)]
        for index, block in enumerate(drawn, start=1):
            found[section.name if len(drawn) == 1 else f"{section.name}-{index}"] = section, block
    return found


def write_figures(folder: Path, sections: Sections, results: Headed, suffixes: tuple[str, ...] = FOR_PAPERS) -> None:
    """Every figure of the page as files of such kinds, each with a title that says what of what it is."""
    made_folder(folder)
    for name, (section, drawn) in named_figures(sections).items():
        about = [section.title, drawn.about, results.name, SIMULATED if results.simulated else ""]
        for suffix in suffixes:
            write_figure(drawn.figure, folder / f"{name}{suffix}", " · ".join(filter(None, about)))


def narrow_pictures(wide: Sections, narrow: Sections, simulated: bool) -> dict[str, str]:
    """By name the figures of sections drawn for a phone, of those that are wider in the page than a phone is. What is
    drawn when results are read stays as it is."""
    drawn, found = named_figures(narrow), {}
    for name, (section, block) in named_figures(wide).items():
        own = drawn[name][1] if name in drawn else block
        if own.figure is not block.figure and CSS_INCH * float(block.figure.get_figwidth()) > PHONE_PIXELS:
            alt = marked(f"{section.title}. {block.said}", simulated)
            found[name] = to_svg(own.figure, f"{name}-narrow", alt)
    return found


def render(
    results: Headed, sections: Sections, paper: bool = False, narrow: Mapping[str, str] = MappingProxyType({})
) -> str:
    """The page of such results as HTML, from their sections; for `paper`, without what a screen alone can do. `narrow`
    are the figures that a phone shows in place of those of their names."""
    environment = Environment(loader=PackageLoader("fibrostage.report", "templates"), autoescape=True, trim_blocks=True)
    html = environment.get_template("report.html").render(
        name=results.name,
        simulated=SIMULATED if results.simulated else "",
        notice=RESEARCH_USE,
        version=__version__,
        about=results.about,
        sections=shown(sections, results.simulated, paper, narrow),
        paper=paper,
    )
    dark = f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark_colours(html)} }} }}\n</style>"
    return html if paper else html.replace("</style>", dark, 1)


def shown(sections: Sections, simulated: bool, paper: bool, narrow: Mapping[str, str]) -> list[ShownSection]:
    """Sections with their figures drawn."""
    names = {id(drawn): name for name, (_, drawn) in named_figures(sections).items()}

    def block_shown(section: Section, block: Block) -> Block | FigureInPage:
        if not isinstance(block, Drawing):
            return block
        alt = marked(f"{section.title}. {block.said}", simulated)
        name = names[id(block)]
        picture = as_image(block, name, alt) if paper else to_svg(block.figure, name, alt)
        return FigureInPage(picture, block.caption, narrow.get(name, ""))

    return [
        ShownSection(section.name, section.title, section.warns, tuple(block_shown(section, b) for b in blocks))
        for section, blocks in sections
    ]


def as_image(drawn: Drawing, name: str, alt: str) -> str:
    """The figure as an <img> that holds it: a PDF keeps what such an image is said to show."""
    held = base64.b64encode(to_svg(drawn.figure, name, alt, turning=False).encode()).decode()
    wide = CSS_INCH * float(drawn.figure.get_figwidth())
    return Markup('<img src="data:image/svg+xml;base64,{}" alt="{}" style="max-width:{:.0f}px">').format(
        held, alt, wide
    )
