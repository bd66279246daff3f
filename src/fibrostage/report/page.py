"""The report: one HTML file with everything in it, figures as vectors, nothing fetched from anywhere."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape

from fibrostage import RESEARCH_USE, SIMULATED
from fibrostage.ground.errors import RunError
from fibrostage.ground.files import write_text
from fibrostage.report.methods import write_methods
from fibrostage.report.results import Results, read_results
from fibrostage.report.sections import SECTIONS
from fibrostage.report.sections.spec import Block, Drawing, Section
from fibrostage.report.style import write_figure


def write_report(folder: Path, target: Path | None = None, figures: bool = False) -> Path:
    """Writes index.html, methods.md and references.bib under `target` (DIR/report by default) and returns the page's
    path; with `figures`, every figure as PDF and PNG too, under figures/.

    Raises `RunError` where the folder holds no finished run or study, or the page cannot be written.
    """
    results = read_results(folder)
    out = target or folder / "report"
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write to {out}: {error.strerror}") from None
    page = out / "index.html"
    sections = sections_of(results)
    write_text(page, render(results, sections))
    write_methods(out, results)
    if figures:
        write_figures(out / "figures", sections, results)
    return page


Sections = list[tuple[Section, list[Block]]]


def sections_of(results: Results) -> Sections:
    """Every section that is wanted with its blocks, in their order."""
    return [(section, section.blocks(results)) for section in SECTIONS if section.wanted(results)]


def write_figures(folder: Path, sections: Sections, results: Results) -> None:
    """Every figure of the page as PDF and PNG, each with a title that says what of what it is."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write to {folder}: {error.strerror}") from None
    for section, blocks in sections:
        drawn = [block for block in blocks if isinstance(block, Drawing)]
        for index, block in enumerate(drawn, start=1):
            about = [section.title, block.about, results.name, SIMULATED if results.simulated else ""]
            name = section.name if len(drawn) == 1 else f"{section.name}-{index}"
            for suffix in (".pdf", ".png"):
                write_figure(block.figure, folder / f"{name}{suffix}", " · ".join(filter(None, about)))


def render(results: Results, sections: Sections) -> str:
    """The page of such results as HTML, from their sections."""
    environment = Environment(
        loader=PackageLoader("fibrostage.report", "templates"), autoescape=select_autoescape(), trim_blocks=True
    )
    first = results.first
    runs = len(results.metrics)
    return environment.get_template("report.html").render(
        name=results.name,
        simulated=SIMULATED if results.simulated else "",
        notice=RESEARCH_USE,
        about=f"{results.staging.name} · {', '.join(results.staging.classes)} · {runs} run{'s' if runs > 1 else ''} · "
        f"cohort {first.cohort.name}",
        sections=sections,
    )
