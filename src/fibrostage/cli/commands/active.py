"""`fibrostage active`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import make_progress
from fibrostage.cli.options import AsJson, CohortFolder, PlanFile, RecipeName, Sets, read_plan, tell_what_runs
from fibrostage.cli.shown import show_run


def active(
    cohort: CohortFolder,
    target: Annotated[Path, typer.Option("--out", help="A new run folder, or with --resume an old one.")],
    plan: PlanFile = None,
    recipe: RecipeName = None,
    sets: Sets = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
    labels: Annotated[
        Path | None, typer.Option(help="Answers of another run ('ledger export' as .csv); they are the first round.")
    ] = None,
    url: Annotated[
        str | None,
        typer.Option("--ledger", metavar="URL", help="Keep the ledger in PostgreSQL (or set $FIBROSTAGE_LEDGER)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """One retrospective active-learning run."""
    from fibrostage.campaign.carried_labels import carry
    from fibrostage.campaign.run import run_active
    from fibrostage.cohort.store import open_cohort
    from fibrostage.learn.plan_for_cohort import plan_for
    from fibrostage.plan.commands import ACTIVE, refuse_unread
    from fibrostage.results.run_folder import RunFolder

    opened = open_cohort(cohort)
    if resume and plan is None and not sets and not recipe:
        plan = RunFolder(target).plan_file
    data, source = read_plan(plan, ACTIVE, recipe)
    parsed = plan_for(opened, data, sets or [], source, ACTIVE)
    refuse_unread(sets or [], ACTIVE, parsed)
    classes = parsed.staging.resolve().classes
    brought = None if labels is None else lambda units: carry(labels, units, opened.patient_ids, classes)
    tell_what_runs(parsed, recipe, "mmfn-al")
    run_active(opened, parsed, target, resume, make_progress(), url, brought)
    show_run(target, opened, as_json)


COMMAND = Command("active", "Ask and label", active)
