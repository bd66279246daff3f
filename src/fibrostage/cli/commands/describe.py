"""`fibrostage describe`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import make_progress, print_json, tell
from fibrostage.cli.options import AsJson, CohortFolder
from fibrostage.cli.shown import show_description


def describe(
    cohort: CohortFolder,
    modality: Annotated[
        list[str] | None, typer.Option(help="Count candidates over this modality (repeat for several).")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Rehash every stored picture.")] = False,
    sheet: Annotated[
        Path | None, typer.Option("--datasheet", help="Write a datasheet of the cohort to this new file (Markdown).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Patients, images and candidates by stage and modality, and who lacks what."""
    from fibrostage.cohort.describe import describe as describe_cohort
    from fibrostage.cohort.in_bucket import open_given
    from fibrostage.cohort.store import verify_pixels
    from fibrostage.ground.files import check_new, write_text

    if sheet is not None:
        check_new(sheet)
    opened = open_given(cohort, make_progress())
    if verify:
        verify_pixels(opened)
    if sheet is not None:
        from fibrostage.report.datasheet import datasheet

        write_text(sheet, datasheet(opened))
        tell(f"datasheet in {sheet}; what begins with 'To write:' is left to you")
    description = describe_cohort(opened, modality)
    if as_json:
        print_json(description.as_dict())
    else:
        show_description(description)


COMMAND = Command("describe", "Bring data in", describe)
