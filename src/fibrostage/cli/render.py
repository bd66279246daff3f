"""A table's view on a terminal."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from fibrostage.cli.console import out
from fibrostage.views.table import Cell, TableView


def show(view: TableView, lines: bool = False) -> None:
    """Prints a table on stdout; `lines` parts its rows."""
    table = Table(title=escape(view.title), title_justify="left", show_lines=lines)
    for index, column in enumerate(view.columns):
        if index in view.numbers:
            table.add_column(escape(column), justify="right", overflow="fold", min_width=min(9, len(column)))
        else:
            table.add_column(escape(column))
    for row in view.rows:
        table.add_row(*map(text_of, row))
    out.print(table)


def text_of(cell: Cell) -> str:
    """A cell's text, what stands beside it below."""
    return escape("\n".join((cell.text, *cell.beside)))
