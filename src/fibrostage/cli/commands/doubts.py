"""`fibrostage doubts`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import print_json
from fibrostage.cli.options import AsJson
from fibrostage.cli.render import show


def doubts(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run, best of scheme kfold.")],
    target: Annotated[Path | None, typer.Option("--out", help="A new CSV of every held-out patient.")] = None,
    as_json: AsJson = False,
) -> None:
    """Held-out patients whose stage the pictures contradict, by confident learning.

    \f
    Raises `RunError` where --out exists already.
    """
    from fibrostage.analysis.doubtful_labels import find_doubts
    from fibrostage.csv_tables.writer import write_csv
    from fibrostage.ground.errors import RunError
    from fibrostage.ground.files import replace_file
    from fibrostage.views.campaign import doubts_view

    if target is not None and target.exists():
        raise RunError(f"{target} exists; choose another --out")
    table = find_doubts(run)
    if target is not None:
        replace_file(target, lambda temporary: write_csv(table, temporary))
    if as_json:
        print_json({"n": len(table), "doubtful": table.filter("doubtful").to_dicts()})
    else:
        show(doubts_view(table))


COMMAND = Command("doubts", "Ask and label", doubts)
