"""The published systems by name."""

from __future__ import annotations

from collections.abc import Iterable

from fibrostage.plan.recipes import PlanRecipe
from fibrostage.views.table import TableView, view


def recipes_view(recipes: Iterable[PlanRecipe]) -> TableView:
    """The recipes, a row each: its name, which command takes it, what it is."""
    rows = [
        [one.name, "study" if one.of_study else "active" if "active" in one.data else "train, active", one.about]
        for one in recipes
    ]
    return view("Published systems", ("recipe", "for", "what it is"), rows)
