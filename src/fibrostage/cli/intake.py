"""What a dry run of intake shows, and what a real one asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl
from rich.markup import escape
from rich.table import Table

from fibrostage.cli.console import err, out, print_json
from fibrostage.errors import Problems

COLUMNS = {
    "file": "file",
    "format": "format",
    "frames": "frames",
    "patient": "patient",
    "series": "series",
    "device": "device",
    "regions": "regions",
    "taken_for": "taken for",
    "kpa": "kPa",
}


def show_survey(rows: Sequence[dict[str, Any]], problems: Problems, as_json: bool) -> None:
    """Every file with what it is taken for or why not, then how many of each."""
    if as_json:
        others = [{"file": problem.file, "reason": str(problem)} for problem in problems]
        print_json({"files": list(rows), "problems": others, "written": False})
        return
    shown = [key for key in COLUMNS if any(row.get(key) not in (None, "") for row in rows)]
    table = Table(*(COLUMNS[key] for key in shown), title="a dry run; nothing was written")
    for row in rows:
        cells = [text_of(row.get(key)) for key in shown]
        if row.get("refused"):
            cells[shown.index("taken_for") if "taken_for" in shown else -1] = f"[red]{escape(str(row['refused']))}[/]"
        table.add_row(*cells)
    out.print(table)
    for problem in problems:
        out.print(f"[red]{escape(str(problem))}[/]", soft_wrap=True)
    taken = Counter(str(row["taken_for"]).split(" ×")[0] for row in rows if row.get("taken_for"))
    refused = sum(bool(row.get("refused")) for row in rows)
    summary = ", ".join(f"{count} files as {name}" for name, count in sorted(taken.items())) or "no file"
    out.print(f"{summary}; {refused} refused; {len(rows)} files in all", markup=False, soft_wrap=True)


def text_of(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if isinstance(value, float) else escape(str(value))


def confirm(counts: pl.DataFrame) -> bool:
    """Shows what the rules made of the files; asks where somebody can answer."""
    table = Table("taken for", "pictures", "files", "patients")
    for row in counts.iter_rows():
        table.add_row(*map(str, row))
    err.print(table)
    if not err.is_terminal:
        return True
    return err.input("write the cohort? [y/N] ").strip().lower() in ("y", "yes")
