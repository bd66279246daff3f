"""The table of who is called otherwise by one method than by another."""

from __future__ import annotations

from collections.abc import Sequence

from fibrostage.analysis.reclassified import Against
from fibrostage.ground.stage import Staging
from fibrostage.views.table import NONE, Cell, TableView, marked, method_text, signed_short, view

FAULTS = (
    "Two classes, at or above each method’s own threshold (Youden’s, chosen on training patients), on the test "
    "patients of both. Net of the ill is the share of those at or above the cut whom the network alone calls so, less"
    " the share whom the other alone does: a difference of sensitivities; net of the others is one of specificities; "
    "both with Bonett and Price’s interval for paired shares. NRI is their sum, IDI the gain in the mean probability "
    "of the ill over that of the others. Read them with care: the sum weighs both kinds of error alike whatever they "
    "cost, a badly calibrated model gains in both without telling patients apart better, and the usual tests of them "
    "are not valid (Hilden and Gerds 2014, Kerr 2014), so none is made. The AUCs and the decision curves are to be "
    "believed first."
)


def reclassified_view(found: Sequence[Against], staging: Staging, simulated: bool) -> TableView:
    """A row a cut and other method."""
    rows: list[list[str | Cell]] = []
    for one in found:
        made = one.made
        if made is None:
            continue
        head = Cell(f"{staging.cut_name(one.cut)}, against {method_text(one.other)}", (f"n = {made.n}",))
        ill = Cell(signed_short(made.ill), (f"{made.ill_gained} gained, {made.ill_lost} lost of {made.positives}",))
        negatives = made.n - made.positives
        other = Cell(signed_short(made.other), (f"{made.other_gained} gained, {made.other_lost} lost of {negatives}",))
        idi = Cell(NONE, ("no probability",)) if one.idi is None else Cell(signed_short(one.idi))
        rows.append([head, ill, other, signed_short(made.nri), idi])
    columns = ("cut and method", "net of the ill", "net of the others", "NRI", "IDI")
    return view(marked("reclassification", simulated), columns, rows, FAULTS, range(1, 5))
