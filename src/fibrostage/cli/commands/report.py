"""`fibrostage report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import tell


def report(
    folder: Annotated[Path, typer.Argument(help="A run's, a study's or a comparison's folder.")],
    target: Annotated[Path | None, typer.Option("--out", help="Where the report goes; DIR/report by default.")] = None,
    forms: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="NAMES",
            help="What to write, by commas: html (the default), pdf, figures (SVG, PDF, PNG, TIFF, captions), "
            "tables (CSV), latex, docx.",
        ),
    ] = None,
    figures: Annotated[
        bool, typer.Option("--figures", help="Write every figure as PDF and PNG (300 dpi) too, under figures/.")
    ] = False,
    width: Annotated[
        float | None,
        typer.Option(metavar="MM", help="Of --format figures: a journal's column, mostly 89 or 183 mm; no titles."),
    ] = None,
    prevalence: Annotated[
        list[float] | None,
        typer.Option(
            metavar="SHARE",
            help="Where predictive values are told beside the cohort's own share of the ill, as 0.15 (repeat for "
            "several); 0.1 and 0.3 by default.",
        ),
    ] = None,
    style: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A matplotlib style file that lies over ours.")
    ] = None,
) -> None:
    """A run, a study or a comparison as a self-contained HTML page, a PDF, figures and tables.

    \f
    Raises `PlanError` for --width without figures to which it could apply, and for a prevalence that is none.
    """
    from fibrostage.ground.errors import PlanError
    from fibrostage.report.forms import write_forms
    from fibrostage.report.style import FigureLook
    from fibrostage.report.style_file import read_style

    names = [name.strip() for names in forms or ["html"] for name in names.split(",") if name.strip()]
    if width is not None and "figures" not in names:
        raise PlanError("--width is of the figures' own files: add --format figures")
    look = FigureLook({} if style is None else read_style(style), width)
    for path in write_forms(folder, target, names, look, figures, prevalence or ()):
        tell(f"report in {path}")


COMMAND = Command("report", "Compare and report", report)
