"""`fibrostage train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import make_progress
from fibrostage.cli.options import Address, AsJson, CohortFolder, EngineName, Gpus, PlanFile, RecipeName, Sets
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
    engine: EngineName = "local",
    address: Address = None,
    gpus: Gpus = 0.0,
    as_json: AsJson = False,
) -> None:
    """One supervised run, evaluated on held-out patients (on every fold, with kfold or column)."""
    from fibrostage.api.runs import train as run
    from fibrostage.cohort.in_bucket import open_given
    from fibrostage.ground.shards import shards_by

    opened = open_given(cohort, make_progress())
    made = run(
        opened, target, plan, recipe=recipe, overrides=sets or [], everybody=everybody,
        engine=shards_by(engine, address, gpus), progress=make_progress(),
    )  # fmt: skip
    show_run(made, opened, as_json)


COMMAND = Command("train", "Train and stage", train)
