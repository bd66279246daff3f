"""The tables of what each modality adds: a row a modality or pair of networks, a column a cut."""

from __future__ import annotations

from collections.abc import Sequence

from fibrostage.analysis.modalities_added import AVERAGE, Added
from fibrostage.ground.lists import and_
from fibrostage.ground.stage import Staging
from fibrostage.views.table import NONE, Cell, TableView, marked, method_text, number_text, p_text, signed_text, view

PAIRED = (
    "AUC with it minus AUC without it, of the same test patients, with DeLong’s interval and paired p; of the "
    "average one-vs-rest AUC by the jackknife over patients. p is after Holm within a column. An interval with 0 in it "
    "does not show that nothing was added: in few patients only much can be seen."
)
WITHHELD = (
    "The same network, with a modality withheld from it: its offset for patients who lack the modality "
    "stands in its place, as for a new patient who was never examined so, calibrated alike where the run calibrates. "
    "It says how much this network’s answers rest on the modality, of the patients who have it and something else; a "
    "network that had been fitted without it would make more of the others. "
)
FITTED = (
    "Networks fitted with and without it, of the patients whom both tested; only pairs that differ in nothing else. "
)


def withheld_view(found: Sequence[Added], staging: Staging, simulated: bool) -> TableView:
    """A row a modality that was withheld from a run's network."""
    title = marked("withheld from the network", simulated)
    return view_of(found, staging, title, "without", WITHHELD + PAIRED)


def fitted_view(found: Sequence[Added], staging: Staging, simulated: bool) -> TableView:
    """A row a pair of a study's networks, one of which sees more."""
    title = marked("networks with and without", simulated)
    return view_of(found, staging, title, "added", FITTED + PAIRED)


def view_of(found: Sequence[Added], staging: Staging, title: str, head: str, note: str) -> TableView:
    """A row a pair of methods, in their order, and a column a cut, the average last."""
    cuts = [cut for cut in (*staging.cuts, AVERAGE) if any(one.cut == cut for one in found)]
    rows: list[list[str | Cell]] = []
    for whole, rest in dict.fromkeys((one.whole, one.rest) for one in found):
        own = {one.cut: one for one in found if (one.whole, one.rest) == (whole, rest)}
        first = next(iter(own.values()))
        counted = f"n = {first.n}" if len({one.n for one in own.values()}) == 1 else ""
        beside = (f"{method_text(whole)} against {method_text(rest)}", counted)
        name = Cell(and_(list(first.added)), tuple(filter(None, beside)))
        rows.append([name, *(cell_of(own[cut]) if cut in own else NONE for cut in cuts)])
    columns = (head, *(f"AUC {staging.cut_name(cut)}" if cut else "average AUC" for cut in cuts))
    return view(title, columns, rows, note, range(1, len(columns)))


def cell_of(one: Added) -> Cell:
    """What is added at a cut, with both areas and p beneath."""
    if one.difference.value is None:
        return Cell(f"{NONE} ({one.difference.why})")
    areas = f"{number_text(one.with_it.value)} with, {number_text(one.without.value)} without"
    beside = one.difference.why if one.difference.lo is None else f"p {p_text(one.p_holm)}"
    return Cell(signed_text(one.difference), (areas, beside))
