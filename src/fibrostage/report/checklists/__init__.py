"""Reporting checklists: what each item asks in our words, which sections of the page answer it, and what is left to
write.

A checklist is a TOML file beside this one, named here. An item that sections answer is "from the run" where one of them
is on the page and "missing" where none is; the others only authors can answer.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

RUN, AUTHOR, MISSING = "from the run", "from the author", "missing"
Status = Literal["from the run", "from the author", "missing"]
FILES = ("stard-2015", "stard-ai", "tripod-ai", "claim-2024")


@dataclass(frozen=True)
class ChecklistItem:
    """One item: its number, what it asks (empty where a checklist's words are not free to retell), the sections that
    answer it, and what the authors must still write, empty where nothing."""

    number: str
    asks: str
    sections: tuple[str, ...] = ()
    write: str = ""

    def answered_by(self, shown: Collection[str]) -> tuple[str, ...]:
        """Those of its sections that are on a page which shows these."""
        return tuple(name for name in self.sections if name in shown)

    def status(self, shown: Collection[str]) -> Status:
        """Who answers it on a page that shows these sections."""
        if self.answered_by(shown):
            return "from the run"
        return "missing" if self.sections else "from the author"


@dataclass(frozen=True)
class Checklist:
    """A checklist with its source, and whether it is for the page of studies of accuracy, of models, or of both."""

    name: str
    title: str
    source: str
    items: tuple[ChecklistItem, ...]


def read_checklist(name: str) -> Checklist:
    """The checklist in the file of that name beside this one."""
    data = tomllib.loads((files(__name__) / f"{name}.toml").read_text(encoding="utf-8"))
    items = tuple(
        ChecklistItem(str(one["n"]), one.get("asks", ""), tuple(one.get("sections", ())), one.get("write", ""))
        for one in data["item"]
    )
    return Checklist(name, data["title"], data["source"], items)


def checklists() -> tuple[Checklist, ...]:
    """Every checklist there is."""
    return tuple(read_checklist(name) for name in FILES)
