"""The table of subgroups: a network's AUC in each kind of patient."""

from __future__ import annotations

from collections.abc import Sequence

from fibrostage.analysis.few_patients import FEWEST, LEAST
from fibrostage.analysis.subgroups import Group, Subgroups
from fibrostage.ground.stage import Staging
from fibrostage.views.table import NONE, Cell, TableView, marked, p_text, short_text, view

SPLIT = (
    f"Test patients only; AUC with DeLong’s interval. A group of fewer than {LEAST}, or with fewer than {FEWEST} on "
    "either side of the cut, has no AUC that says anything and is not drawn. Ages are divided at the median of "
    "training patients, the body mass index at 25 and 30. p asks whether the groups differ (interaction: Cochran’s Q "
    "with DeLong’s variances), after Holm over all characteristics of a cut; in groups this small a difference must be "
    "large to be found."
)


def subgroups_view(found: Sequence[Sequence[Subgroups]], staging: Staging, simulated: bool) -> TableView:
    """A row a group and a column a cut: of each cut the same characteristics with the same groups."""
    rows: list[list[str | Cell]] = []
    for of_cuts in zip(*found, strict=True):
        first = of_cuts[0]
        for k, group in enumerate(first.groups):
            name = Cell(f"{first.title}: {group.name}", (f"n = {group.n}",))
            rows.append([name, *(group_cell(one.groups[k]) for one in of_cuts)])
        unknown = (f"of {first.unknown} not known",) if first.unknown else ()
        tests = [Cell(f"p {p_text(one.p_holm)}" if one.p_holm is not None else NONE) for one in of_cuts]
        rows.append([Cell(f"{first.title}: do they differ?", unknown), *tests])
    columns = ("group", *(f"AUC {staging.cut_name(own[0].cut)}" for own in found))
    return view(marked("subgroups", simulated), columns, rows, SPLIT, range(1, len(columns)))


def group_cell(group: Group) -> Cell:
    """A group's AUC, or that there are too few, with how many are at or above the cut."""
    said = "too few" if group.auc is None else short_text(group.auc)
    return Cell(said, (f"{group.positives} of {group.n} have it",))
