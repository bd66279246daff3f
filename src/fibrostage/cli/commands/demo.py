"""`fibrostage demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import make_progress, out
from fibrostage.cli.render import show


def demo(
    target: Annotated[Path, typer.Option("--out", help="A new folder for everything.")] = Path("demo"),
    patients: Annotated[int, typer.Option(min=40)] = 150,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Simulated cohort → study of mono-modal and fused networks with RAND and ESD → report."""
    from fibrostage.study.demo import run_demo
    from fibrostage.views.study import results_view

    results, page = run_demo(target, patients, seed, make_progress())
    show(results_view(results))
    out.print(f"report: {page}", soft_wrap=True)


COMMAND = Command("demo", "Try and measure", demo)
