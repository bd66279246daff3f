"""`fibrostage train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import make_progress
from fibrostage.cli.options import AsJson, CohortFolder, PlanFile, RecipeName, Sets, read_plan, tell_what_runs
from fibrostage.cli.shown import show_run


def train(
    cohort: CohortFolder,
    target: Annotated[Path, typer.Option("--out", help="A new run folder.")],
    plan: PlanFile = None,
    recipe: RecipeName = None,
    sets: Sets = None,
    everybody: Annotated[
        bool, typer.Option("--all", help="Then fit on every labelled patient too, for new patients.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """One supervised run, evaluated on held-out patients (on every fold, with kfold or column)."""
    from fibrostage.cohort.store import open_cohort
    from fibrostage.learn.plan_for_cohort import plan_for, with_measured
    from fibrostage.learn.train import train as run
    from fibrostage.plan.commands import TRAIN, refuse_unread

    opened = open_cohort(cohort)
    data, source = read_plan(plan, TRAIN, recipe)
    whole = with_measured(opened, sets or []) if not data else sets or []
    parsed = plan_for(opened, data, whole, source, TRAIN)
    refuse_unread(sets or [], TRAIN, parsed)
    tell_what_runs(parsed, recipe, "mmfn")
    run(opened, parsed, target, make_progress(), everybody)
    show_run(target, opened, as_json)


COMMAND = Command("train", "Train and stage", train)
