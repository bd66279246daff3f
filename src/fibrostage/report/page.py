"""The report: one HTML file with everything in it, figures as vectors, nothing fetched from anywhere."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape

from fibrostage import RESEARCH_USE, SIMULATED
from fibrostage.ground.errors import RunError
from fibrostage.ground.files import write_text
from fibrostage.report.results import Results, read_results
from fibrostage.report.sections import SECTIONS


def write_report(folder: Path, target: Path | None = None) -> Path:
    """Writes index.html under `target` (DIR/report by default) and returns its path.

    Raises `RunError` where the folder holds no finished run or study, or the page cannot be written.
    """
    results = read_results(folder)
    out = target or folder / "report"
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write to {out}: {error.strerror}") from None
    page = out / "index.html"
    write_text(page, render(results))
    return page


def render(results: Results) -> str:
    """The page as HTML: every section that is wanted, in its order."""
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
        sections=[(section, section.blocks(results)) for section in SECTIONS if section.wanted(results)],
    )
