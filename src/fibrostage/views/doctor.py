"""What was found of a machine, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from fibrostage.views.table import TableView, view


def doctor_view(rows: Sequence[tuple[str, str, str, bool]]) -> TableView:
    """A row a thing: its part, name, what was found, and whether it will do."""
    cells = [[part, name, said, "" if fine else "will not do"] for part, name, said, fine in rows]
    return view("this machine", ("", "", "found", ""), cells)
