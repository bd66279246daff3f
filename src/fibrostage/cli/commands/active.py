"""`fibrostage active`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import make_progress
from fibrostage.cli.options import AsJson, CohortFolder, PlanFile, RecipeName, Sets
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
    from fibrostage.api.asking import run_active
    from fibrostage.cohort.in_bucket import open_given

    opened = open_given(cohort, make_progress())
    made = run_active(
        opened, target, plan, recipe=recipe, overrides=sets or [], resume=resume, labels=labels, ledger=url,
        progress=make_progress(),
    )  # fmt: skip
    show_run(made, opened, as_json)


COMMAND = Command("active", "Ask and label", active)
