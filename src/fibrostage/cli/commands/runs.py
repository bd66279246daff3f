"""`fibrostage runs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import print_json, tell
from fibrostage.cli.options import AsJson
from fibrostage.cli.render import show


def runs(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with runs and studies in it.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """The runs and studies under a folder, with their test patients and figures."""
    from fibrostage.results.found import results_under
    from fibrostage.views.found import found_view

    found = results_under(folder)
    if as_json:
        print_json({"results": [one.as_dict() for one in found]})
    elif found:
        show(found_view(found, folder))
    if not found:
        tell(f"no run and no study under {folder}")


COMMAND = Command("runs", "Compare and report", runs)
