"""Options that several commands have, and the plan they name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fibrostage.cli.console import err

if TYPE_CHECKING:
    from fibrostage.plan.commands import Reads

CohortFolder = Annotated[Path, typer.Argument(metavar="COHORT", help="A cohort folder made by 'fibrostage intake'.")]
PlanFile = Annotated[Path | None, typer.Option("--plan", help="A plan, TOML (or a run's plan.json).")]
Sets = Annotated[list[str] | None, typer.Option("--set", help="Override one plan value: section.key=value (TOML).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Encoding = Annotated[str, typer.Option(help="Encoding of the CSV.")]
Classes = Annotated[str | None, typer.Option(help="The stages in order, mildest first: A,B,C.")]
Confidence = Annotated[float, typer.Option(help="Of every interval.")]


def split(classes: str | None) -> tuple[str, ...]:
    """The stages that an option lists."""
    return tuple(name.strip() for name in classes.split(",")) if classes else ()


def read_plan(path: Path | None, reads: Reads) -> tuple[dict[str, object], str]:
    """A plan's data and what to call it; says which of a TOML file's sections are for other commands."""
    from fibrostage.plan.commands import unread_sections
    from fibrostage.plan.file import read_plan_file

    if path is None:
        return {}, "plan"
    data = read_plan_file(path)
    others = unread_sections(data, reads) if path.suffix != ".json" else ()
    if others:
        listed = ", ".join(f"[{name}]" for name in others)
        err.print(f"{path}: {listed} {'is' if len(others) == 1 else 'are'} not read by {reads.command}", markup=False)
    return data, str(path)
