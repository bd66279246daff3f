"""A paper's first table, ready to be shown."""

from __future__ import annotations

from fibrostage.analysis.table_one import CharacteristicLine, OfGroup, TableOne
from fibrostage.views.table import NONE, Cell, TableView, marked, view

TOLD = (
    "Amounts as median [quartiles], kinds as count (share of those of whom it is known); how many lack it stands "
    "beneath. SMD: the standardised mean difference of training and test patients, which does not grow with their "
    "number; above 0.1 is worth a look, and some dozens of patients exceed it by chance. No test is made: a division "
    "that was drawn at random differs by chance alone."
)


def table_one_view(made: TableOne, title: str, simulated: bool) -> TableView:
    """A row a characteristic or kind, a column a group, and the SMD where two cohorts are compared."""
    rows: list[list[str | Cell]] = []
    for line in made.lines:
        unit = line.unit.replace("1e9", "10⁹")
        name = f"{line.title}, {unit}" if unit else line.title
        first = Cell(f"{name}: {line.kind}" if line.kind else name)
        smd = [] if not made.compared else [f"{line.smd:.2f}" if line.smd is not None else ""]
        begins = not line.kind or line is first_of(made, line.title)
        rows.append([first, *(group_cell(told, begins) for told in line.groups), *smd])
    columns = (
        "characteristic",
        *(f"{name} (n = {n})" for name, n in made.groups),
        *(("SMD",) if made.compared else ()),
    )
    return view(marked(title, simulated), columns, rows, "", range(1, len(columns)))


def first_of(made: TableOne, title: str) -> CharacteristicLine:
    """The first line of a characteristic."""
    return next(line for line in made.lines if line.title == title)


def group_cell(told: OfGroup, begins: bool) -> Cell:
    """What is known of a group; beneath, in the first line of a characteristic, how many lack it."""
    lacking = (f"{told.missing} missing",) if told.missing and begins else ()
    if told.count is not None:
        return Cell(f"{told.count} ({told.count / told.n:.0%})" if told.n else NONE, lacking)
    if told.quartiles is None:
        return Cell(NONE, lacking)
    low, middle, high = told.quartiles
    return Cell(f"{amount_text(middle)} [{amount_text(low)}–{amount_text(high)}]", lacking)


def amount_text(value: float) -> str:
    """An amount with as many digits as a table bears."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 1 else f"{value:.2g}"
