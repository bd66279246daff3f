"""Options that several commands have, and the plan they name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fibrostage.cli.console import err, tell

if TYPE_CHECKING:
    from fibrostage.plan.commands import Reads
    from fibrostage.plan.run_plan import Plan

CohortFolder = Annotated[Path, typer.Argument(metavar="COHORT", help="A cohort folder made by 'fibrostage intake'.")]
PlanFile = Annotated[Path | None, typer.Option("--plan", help="A plan, TOML (or a run's plan.json).")]
RecipeName = Annotated[
    str | None,
    typer.Option("--recipe", metavar="NAME", help="A published system, under --plan and --set; see 'recipes'."),
]
Sets = Annotated[list[str] | None, typer.Option("--set", help="Override one plan value: section.key=value (TOML).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Encoding = Annotated[str, typer.Option(help="Encoding of the CSV.")]
Classes = Annotated[str | None, typer.Option(help="The stages in order, mildest first: A,B,C.")]
Confidence = Annotated[float, typer.Option(help="Of every interval.")]


def split(classes: str | None) -> tuple[str, ...]:
    """The stages that an option lists."""
    return tuple(name.strip() for name in classes.split(",")) if classes else ()


def read_plan(path: Path | None, reads: Reads, recipe: str | None = None) -> tuple[dict[str, object], str]:
    """A plan's data, over those of a recipe, and what to call it; says which of its sections are for other commands.

    Raises `PlanError` where the plan cannot be read, or the recipe is unknown or a study's.
    """
    from fibrostage.plan.commands import unread_sections
    from fibrostage.plan.file import laid_over, read_plan_file

    under = recipe_data(recipe) if recipe else {}
    data = {} if path is None else read_plan_file(path)
    others = unread_sections(data, reads) if path is not None and path.suffix != ".json" else ()
    if others:
        listed = ", ".join(f"[{name}]" for name in others)
        err.print(f"{path}: {listed} {'is' if len(others) == 1 else 'are'} not read by {reads.command}", markup=False)
    source = str(path) if path else f"recipe {recipe}" if recipe else "plan"
    return laid_over(under, data), source


def recipe_data(name: str) -> dict[str, object]:
    """What a plan's recipe says; raises `PlanError` where there is none of that name, or it is a study's."""
    from fibrostage.ground.errors import PlanError
    from fibrostage.plan.recipes import RECIPES

    found = RECIPES[name]
    if found.of_study:
        raise PlanError(f"recipe {name!r} is of a study: fibrostage study --recipe {name} COHORT --out DIR")
    return dict(found.data)


def tell_what_runs(plan: Plan, recipe: str | None, published: str) -> None:
    """Says in a line what a run's network is and where its weights came from, and without a recipe which one is the
    paper's (`published`)."""
    from fibrostage.views.plan import in_a_line

    others = f"; recipe {recipe}" if recipe else f"; as the paper has it: --recipe {published}"
    tell(in_a_line(plan) + others)
    if plan.network.source is not None and plan.network.source.read_as is not None:
        tell(plan.network.source.read_as)
