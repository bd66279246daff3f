"""The published systems by name: ordinary plan and study files, in which every key says whether it is a paper's.

A recipe lies under a plan: what a plan file or `--set` says comes first. Beside each key stands "# paper" and where it
is stated, or "# ours" where the papers are silent.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from fibrostage.ground.errors import PlanError, nearest
from fibrostage.ground.registry import Registry


@dataclass(frozen=True)
class PlanRecipe:
    """A published system; `text` is its file and `data` what that says, of a plan or, with a grid, of a study."""

    name: str
    about: str
    text: str
    data: Mapping[str, Any]

    @classmethod
    def of(cls, name: str, text: str) -> PlanRecipe:
        """The recipe that a plan's or a study's file is; its first line, a comment, says what it is.

        Raises `PlanError` where the text is not TOML.
        """
        try:
            return cls(name, text.partition("\n")[0].removeprefix("# "), text, tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise PlanError(f"recipe {name!r} is not valid TOML: {error}") from None

    @property
    def of_study(self) -> bool:
        """Whether it is a study's file and not a plan's."""
        return "grid" in self.data


def packaged(name: str) -> PlanRecipe:
    """The recipe in the file of that name beside this one."""
    return PlanRecipe.of(name, (files(__name__) / f"{name}.toml").read_text(encoding="utf-8"))


def published_cells(name: str) -> list[dict[str, str]]:
    """The cells of a paper's results, "mmfn" or "dlre", by column; what a cell does not say is left out.

    Raises `PlanError` where there is no such paper.
    """
    if name not in PAPERS:
        raise PlanError(f"published = {name!r}{nearest(name, PAPERS)}: the papers are {', '.join(PAPERS)}")
    return table_of(f"published-{name}.csv")


def published_counts() -> list[dict[str, str]]:
    """The MMFN paper's Table 1: pictures, and pairs of pictures within a patient, by modalities and stage."""
    return table_of("counts-mmfn.csv")


def table_of(file: str) -> list[dict[str, str]]:
    """The rows of a packaged table, by column, without empty cells."""
    text = (files(__name__) / file).read_text(encoding="utf-8")
    return [{key: value for key, value in row.items() if value} for row in csv.DictReader(text.splitlines())]


PAPERS = ("mmfn", "dlre")
FILES = (
    "mmfn-al",
    "mmfn",
    "resnet50",
    "incepv3",
    "dlre",
    "dlre-basic",
    "dlre-transfer",
    "paper-mmfn",
    "paper-mmfn-small",
    "paper-dlre",
)
RECIPES: Registry[PlanRecipe] = Registry("recipe", tuple(packaged(name) for name in FILES), "fibrostage.recipes")
