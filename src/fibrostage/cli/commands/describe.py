"""`fibrostage describe`."""

from __future__ import annotations

from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import print_json
from fibrostage.cli.options import AsJson, CohortFolder
from fibrostage.cli.shown import show_description


def describe(
    cohort: CohortFolder,
    modality: Annotated[
        list[str] | None, typer.Option(help="Count candidates over this modality (repeat for several).")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Rehash every stored picture.")] = False,
    as_json: AsJson = False,
) -> None:
    """Patients, images and candidates by stage and modality, and who lacks what."""
    from fibrostage.cohort.describe import describe as describe_cohort
    from fibrostage.cohort.store import open_cohort, verify_pixels

    opened = open_cohort(cohort)
    if verify:
        verify_pixels(opened)
    description = describe_cohort(opened, modality)
    if as_json:
        print_json(description.as_dict())
    else:
        show_description(description)


COMMAND = Command("describe", "Bring data in", describe)
