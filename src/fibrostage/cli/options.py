"""Options that several commands have, and the plan they name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

PlanFile = Annotated[Path | None, typer.Option("--plan", help="A plan, TOML (or a run's plan.json).")]
Sets = Annotated[list[str] | None, typer.Option("--set", help="Override one plan value: section.key=value (TOML).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def read_plan(path: Path | None) -> tuple[dict[str, Any], str]:
    from fibrostage.plan.file import read_plan_file

    return ({}, "plan") if path is None else (read_plan_file(path), str(path))
