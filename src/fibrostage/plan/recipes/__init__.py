"""The published systems by name: ordinary plan and study files, in which every key says whether it is a paper's.

A recipe lies under a plan: what a plan file or `--set` says comes first. Beside each key stands "# paper" and where it
is stated, or "# ours" where the papers are silent.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from fibrostage.ground.registry import Registry


@dataclass(frozen=True)
class PlanRecipe:
    """A published system; `text` is its file and `data` what that says, of a plan or, with a grid, of a study."""

    name: str
    about: str
    text: str
    data: Mapping[str, Any]

    @property
    def of_study(self) -> bool:
        """Whether it is a study's file and not a plan's."""
        return "grid" in self.data


def packaged(name: str) -> PlanRecipe:
    """The recipe in the file of that name beside this one."""
    text = (files(__name__) / f"{name}.toml").read_text(encoding="utf-8")
    return PlanRecipe(name, text.splitlines()[0].removeprefix("# "), text, tomllib.loads(text))


FILES = ("mmfn-al", "mmfn", "resnet50", "incepv3", "dlre", "dlre-basic", "dlre-transfer")
RECIPES: Registry[PlanRecipe] = Registry("recipe", tuple(packaged(name) for name in FILES))
