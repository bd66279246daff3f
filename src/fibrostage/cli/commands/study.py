"""`fibrostage study`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import err, make_progress, print_json, tell
from fibrostage.cli.options import Address, AsJson, EngineName, Gpus, RecipeName, Sets
from fibrostage.ground.errors import PlanError


def study(
    file: Annotated[
        Path, typer.Argument(metavar="STUDY.toml", help="A study's file; with a study's --recipe, the cohort.")
    ],
    target: Annotated[Path, typer.Option("--out", help="The study's folder; goes on if it was begun.")],
    recipe: RecipeName = None,
    cohorts: Annotated[
        list[str] | None,
        typer.Option("--cohort", metavar="NAME=FOLDER", help="A cohort that the study leaves to be given."),
    ] = None,
    sets: Sets = None,
    engine: EngineName = "local",
    address: Address = None,
    gpus: Gpus = 0.0,
    as_json: AsJson = False,
) -> None:
    """A grid of active-learning runs and what labels bought, or of supervised runs beside markers."""
    from fibrostage.api.studies import run_study
    from fibrostage.cli.render import show
    from fibrostage.results.study_folder import StudyFolder

    made = run_study(
        file, target, recipe=recipe, cohorts=folders_of(cohorts or []), overrides=sets or [], engine=engine,
        address=address, gpus=gpus, progress=make_progress(),
    )  # fmt: skip
    failures = made.record.failures
    if as_json:
        others = {name: table.to_dicts() for name, table in made.beside.items()}
        print_json({"results": made.results.to_dicts(), **others, "failures": failures})
    else:
        for table in made.tables():
            show(table)
    if failures:
        where = StudyFolder(target).record_file
        err.print(f"{len(failures)} runs failed, see {where}; another call tries them again", soft_wrap=True)
    tell(f"study in {target}; next: fibrostage report {target}")


def folders_of(given: list[str]) -> dict[str, str]:
    """Folders by name, from NAME=FOLDER; absolute, as a study's own are relative to its file.

    Raises `PlanError` where one is not of that form.
    """
    folders = {}
    for one in given:
        name, equals, folder = one.partition("=")
        if not equals or not name or not folder:
            raise PlanError(f"--cohort {one!r}: write it as NAME=FOLDER")
        folders[name] = str(Path(folder).resolve())
    return folders


COMMAND = Command("study", "Compare and report", study)
