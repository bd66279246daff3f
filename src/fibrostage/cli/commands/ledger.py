"""`fibrostage ledger`: what a run was asked and told, carried out of it and into another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import err, print_json, tell
from fibrostage.cli.options import AsJson
from fibrostage.cli.render import show as show_table

ledger = typer.Typer(help="Look at a run's ledger, carry its labels away, or bring them back.", no_args_is_help=True)

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")]
Url = Annotated[
    str | None, typer.Option("--ledger", help="The database's URL, where the ledger is in PostgreSQL.", metavar="URL")
]


@ledger.command()
def show(
    run: RunFolder,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Rounds, answers and where the run stands."""
    from fibrostage.ledger.export import summary
    from fibrostage.ledger.ledger import read_events
    from fibrostage.views.campaign import ledger_view

    found = summary(read_events(run, url))
    if as_json:
        print_json(found.as_dict())
    else:
        show_table(ledger_view(found))


@ledger.command()
def export(
    run: RunFolder,
    target: Annotated[Path, typer.Option("--out", help="A new .jsonl (every event) or .csv (the answers).")],
    url: Url = None,
) -> None:
    """Write a ledger out; of a damaged one, everything before the damage."""
    from fibrostage.ledger.export import export as write

    count, sound = write(run, target, url)
    what = "events" if target.suffix == ".jsonl" else "answers"
    if not sound:
        err.print("[yellow]the ledger is damaged[/]: this is everything before the damage")
    tell(f"{count} {what} in {target}")


@ledger.command("import")
def bring_back(
    run: RunFolder,
    source: Annotated[Path, typer.Argument(metavar="EVENTS.jsonl", help="What 'ledger export' wrote.")],
    url: Url = None,
) -> None:
    """Make a run's ledger anew from exported events; a damaged file is kept beside it.

    Labels in a CSV begin a new run instead: fibrostage active COHORT --labels L.csv --out RUN.
    """
    from fibrostage.ledger.restore import can_go_on, restore_events

    count = restore_events(source, run, url)
    follow = f"fibrostage active COHORT --out {run} --resume"
    if not can_go_on(run, url):
        follow = f"the model of its last round is lost; fibrostage ledger export {run} --out L.csv, and --labels L.csv"
    tell(f"{count} events in {run}; next: {follow}")


COMMAND = Command("ledger", "Ask and label", ledger)
