"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CohortFolder = Annotated[
    Path,
    typer.Argument(metavar="COHORT", help="A cohort folder made by 'fibrostage intake', or s3://BUCKET/PREFIX of one."),
]
OwnCohort = Annotated[Path, typer.Argument(metavar="COHORT", help="A cohort folder made by 'fibrostage intake'.")]
PlanFile = Annotated[Path | None, typer.Option("--plan", help="A plan, TOML (or a run's plan.json).")]
RecipeName = Annotated[
    str | None,
    typer.Option("--recipe", metavar="NAME", help="A published system, under --plan and --set; see 'recipes'."),
]
Sets = Annotated[list[str] | None, typer.Option("--set", help="Override one plan value: section.key=value (TOML).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
EngineName = Annotated[str, typer.Option("--engine", help='"local", this machine, or "ray", a cluster.')]
Address = Annotated[str | None, typer.Option(help="A running Ray cluster; without it one is begun on this machine.")]
Gpus = Annotated[float, typer.Option(min=0, help="GPUs that a piece of work takes on Ray; parts of one too.")]
Encoding = Annotated[str, typer.Option(help="Encoding of the CSV.")]
Classes = Annotated[str | None, typer.Option(help="The stages in order, mildest first: A,B,C.")]
Confidence = Annotated[float, typer.Option(help="Of every interval.")]


def split(classes: str | None) -> tuple[str, ...]:
    """The stages that an option lists."""
    return tuple(name.strip() for name in classes.split(",")) if classes else ()
