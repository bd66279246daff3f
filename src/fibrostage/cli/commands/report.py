"""`fibrostage report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import tell


def report(
    folder: Annotated[Path, typer.Argument(help="A run's or a study's folder.")],
    target: Annotated[Path | None, typer.Option("--out", help="Where the report goes; DIR/report by default.")] = None,
    figures: Annotated[
        bool, typer.Option("--figures", help="Write every figure as PDF and PNG (300 dpi) too, under figures/.")
    ] = False,
) -> None:
    """One self-contained HTML page of a run or a study."""
    from fibrostage.api.studies import write_report

    tell(f"report in {write_report(folder, target, figures)}")


COMMAND = Command("report", "Compare and report", report)
