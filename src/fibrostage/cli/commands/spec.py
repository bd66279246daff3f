"""What a command is: a file that parses its arguments, calls one function and prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import typer

Group = Literal["Bring data in", "Train and stage", "Ask and label", "Compare and report", "Try and measure"]
GROUPS: tuple[Group, ...] = (
    "Bring data in", "Train and stage", "Ask and label", "Compare and report", "Try and measure",
)  # fmt: skip


@dataclass(frozen=True)
class Command:
    """One command of the tool: `run` is its function, or a Typer of its own with commands below it.

    A function's docstring is the command's help, up to a form feed (\\f).
    """

    name: str
    group: Group
    run: Callable[..., None] | typer.Typer
