"""`fibrostage recipes`: the published systems by name."""

from __future__ import annotations

from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import print_json
from fibrostage.cli.options import AsJson

recipes = typer.Typer(help="The published systems by name, for --recipe of train, active and study.")


@recipes.callback(invoke_without_command=True)
def listed(context: typer.Context, as_json: AsJson = False) -> None:
    """The published systems by name, for --recipe of train, active and study."""
    from fibrostage.cli.render import show as show_table
    from fibrostage.plan.recipes import RECIPES
    from fibrostage.views.recipes import recipes_view

    if context.invoked_subcommand is not None:
        return
    known = [RECIPES[name] for name in RECIPES.names()]
    if as_json:
        print_json({"recipes": [{"name": one.name, "about": one.about, "study": one.of_study} for one in known]})
    else:
        show_table(recipes_view(known))


@recipes.command()
def show(name: Annotated[str, typer.Argument(metavar="NAME", help="A recipe's name.")]) -> None:
    """Print a recipe: an ordinary plan or study file, each key marked as the paper's or ours."""
    from fibrostage.plan.recipes import RECIPES

    print(RECIPES[name].text, end="")


COMMAND = Command("recipes", "Train and stage", recipes)
