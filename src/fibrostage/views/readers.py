"""The tables of readers among themselves, and beside a model."""

from __future__ import annotations

from collections.abc import Sequence

from fibrostage.analysis.reader_agreement import AgreementFigure, CutStudy
from fibrostage.views.table import NONE, TableView, figure_text, marked, p_text, signed_text, view


def agreement_view(figures: Sequence[AgreementFigure], simulated: bool = False) -> TableView:
    """How readers agree, a row a figure."""
    rows = [[one.name, str(one.n), figure_text(one.estimate)] for one in figures]
    title = marked("agreement of readers, quadratic weights", simulated)
    return view(title, ("figure", "items read by both", "value"), rows, numbers=(1, 2))


def against_model_view(studies: Sequence[CutStudy]) -> TableView:
    """A model against the readers, a row a cut."""
    rows = []
    for one in studies:
        if one.study is None:
            rows.append([f"≥{one.cut}", NONE, NONE, one.why, NONE])
            continue
        found = one.study
        difference = signed_text(found.difference)
        rows.append([f"≥{one.cut}", str(found.readers), str(found.n), difference, p_text(found.p)])
    columns = ("cut", "readers", "items all of them read", "AUC, model − mean of readers", "p")
    note = "Obuchowski & Rockette: readers and cases both random. Items are taken as independent."
    return view("the model against the readers", columns, rows, note, numbers=(1, 2))
