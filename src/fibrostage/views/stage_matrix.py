"""The tables of stages called against true stages."""

from __future__ import annotations

from collections.abc import Sequence

from fibrostage.analysis.stage_matrix import StageMatrix
from fibrostage.views.table import Cell, TableView, marked, method_text, short_text, view

KAPPA = (
    "Per patient, test patients only. Kappa weighs a call by its squared distance from the true stage: 0 is chance, 1 "
    "is perfect. "
)
VERY = "Accuracy asks for the very stage, with Wilson’s interval. "
NEAR = "Accuracy asks for the very stage, “within one” forgives a neighbour; both with Wilson’s interval. "
ORDERED = (
    "Obuchowski’s index is how often the patient with more fibrosis has the higher expected stage, pairs of stages "
    "weighed by how far they lie apart and how often they occur; 1 is perfect."
)
RECALLED = (
    "A row a true stage, counts of test patients. Recall is the share of a stage that is called so, with Wilson’s "
    "interval; a stage’s share of right calls among all its calls stands in the last row."
)


def agreement_view(found: Sequence[StageMatrix], simulated: bool) -> TableView:
    """A row a method: how far called and true stages agree."""
    near = any(len(one.staging.classes) > 2 for one in found)  # of two stages everybody is within one
    rows: list[list[str | Cell]] = [
        [
            Cell(method_text(one.method), (f"n = {one.n}",)),
            short_text(one.accuracy),
            short_text(one.kappa),
            *([short_text(one.within_one)] if near else []),
            short_text(one.order),
        ]
        for one in found
    ]
    note = KAPPA + (NEAR if near else VERY) + ORDERED
    columns = ("method", "accuracy", "weighted kappa", *(("within one stage",) if near else ()), "Obuchowski")
    return view(marked("agreement with the true stage", simulated), columns, rows, note, range(1, len(columns)))


def recalls_view(found: Sequence[StageMatrix], simulated: bool) -> TableView:
    """A row a method and a column a stage: the share of each stage that is called so."""
    classes = found[0].staging.classes
    rows = [
        [Cell(method_text(one.method), (f"n = {one.n}",)), *(recall_cell(one, k) for k in range(len(classes)))]
        for one in found
    ]
    columns = ("method", *(f"recall of {name}" for name in classes))
    return view(marked("of each stage, the share called so", simulated), columns, rows, "", range(1, len(columns)))


def matrix_view(one: StageMatrix, simulated: bool) -> TableView:
    """A row a true stage and a column a called one, with the recall of each; beneath, the share of calls that are
    right."""
    classes = one.staging.classes
    rows: list[list[str | Cell]] = [
        [name, *(str(count) for count in one.counts[k].tolist()), recall_cell(one, k)] for k, name in enumerate(classes)
    ]
    rows.append(["calls that are right", *(share_cell(one, k) for k in range(len(classes))), ""])
    columns = ("true stage", *(f"called {name}" for name in classes), "recall")
    title = marked(f"{method_text(one.method)}, n = {one.n}", simulated)
    return view(title, columns, rows, "", range(1, len(columns)))


def recall_cell(one: StageMatrix, k: int) -> Cell:
    """The recall of the k-th stage, and of how many."""
    return Cell(short_text(one.recall[k]), (f"{one.counts[k, k]} of {one.counts[k].sum()}",))


def share_cell(one: StageMatrix, k: int) -> Cell:
    """The share of right calls among those of the k-th stage, its interval beneath."""
    found = one.precision[k]
    if found.value is None:
        return Cell("–")
    interval = f"{found.lo:.2f}–{found.hi:.2f}" if found.lo is not None and found.hi is not None else ""
    return Cell(f"{found.value:.2f}", tuple(filter(None, (interval,))))
