"""The laboratory's usual plan, for --recipe lab."""

from importlib.resources import files

from fibrostage import PlanRecipe

RECIPE = PlanRecipe.of("lab", (files(__package__) / "lab.toml").read_text(encoding="utf-8"))
