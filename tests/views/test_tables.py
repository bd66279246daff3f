"""Tables are built once; terminal and page show the same text."""

from __future__ import annotations

import polars as pl
import pytest
from rich.console import Console

from fibrostage.cli import render
from fibrostage.results.estimate_columns import Figure, Versus, figure_cells
from fibrostage.results.metrics import PictureFigures, TrainingFigures, patient_figures
from fibrostage.stats.estimate import Estimate
from fibrostage.views.run import beside_view, figures_view
from fibrostage.views.study import efficiency_view, results_view
from fibrostage.views.table import Cell, figure_text, p_text, reached, signed_text, view
from tests.results.made import FIGURE, made_metrics


def texts(made) -> list[list[str]]:  # type: ignore[no-untyped-def]
    return [[cell.text for cell in row] for row in made.rows]


def test_a_row_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(ValueError, match="t: a row of 1 cells under 2 columns"):
        view("t", ("a", "b"), [["1"]])


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(0.5, 0.25, 0.75), "0.500 [0.250–0.750]"),
        (Estimate(0.5, None, None), "0.500"),
        (Estimate(None, None, None, "nobody is positive"), "– (nobody is positive)"),
        (None, "–"),
    ],
)
def test_figures(estimate: Estimate | None, text: str) -> None:
    assert figure_text(estimate) == text


def test_differences_and_chances() -> None:
    assert signed_text(Estimate(-0.1, -0.2, 0.05)) == "−0.100 [−0.200, +0.050]"
    assert signed_text(None) == ""
    assert [p_text(p) for p in (None, 0.0001, 0.0421)] == ["", "< 0.001", "0.042"]


def test_a_runs_figures_say_n_and_positives() -> None:
    metrics = made_metrics(simulated=True)
    made = figures_view(metrics, metrics.staging("METAVIR"))
    assert "SIMULATED" in made.title
    assert made.columns == ("figure", "value [95 % CI]", "test patients", "positive")
    assert texts(made)[2] == ["AUC ≥F2", "0.800 [0.700–0.900]", "15", "9"]
    assert texts(made)[4] == ["AUC F4", "– (nobody is positive)", "15", "3"]
    assert beside_view(metrics, metrics.staging("METAVIR")) is None


def test_what_stands_beside_the_test_patients() -> None:
    pictures = PictureFigures(n_pictures=30, n_patients=15, auc_at_cut={"F2": FIGURE, "F3": FIGURE, "F4": FIGURE})
    own = made_metrics()
    shared = {name: getattr(own, name) for name in TrainingFigures.model_fields if name != "pictures"}
    training = TrainingFigures.model_validate({**shared, "pictures": None})
    metrics = made_metrics(training=training, pictures=pictures)
    made = beside_view(metrics, metrics.staging("METAVIR"))
    assert made is not None
    assert [row[-1] for row in texts(made)] == ["15 patients", "30 pictures of 15 patients"]


def curve_results(simulated: bool) -> pl.DataFrame:
    row = {"method": "LSTE+LUS", "strategy": "esd", "runs": 3, "n_patients": 30, "simulated": simulated}
    for name in ("accuracy", "auc_macro", "auc_at_F2", "auc_at_F3", "auc_at_F4", "curve_mean_auc"):
        row |= figure_cells(name, Figure(FIGURE), "random")
    return pl.DataFrame([row])


def test_a_studys_rows() -> None:
    made = results_view(curve_results(True))
    assert "SIMULATED" in made.title
    assert texts(made)[0][:5] == ["LSTE ⊕ LUS", "ESD", "3", "30", "0.800 [0.700–0.900]"]
    staging = made_metrics().staging("METAVIR")
    assert "AUC ≥F3" in results_view(curve_results(False), staging).columns


def test_what_labels_bought_stands_beside_its_difference() -> None:
    versus = Versus(Estimate(0.02, -0.01, 0.05), 0.03, 0.06)
    row = {"method": "LSTE", "strategy": "esd", "runs": 3, "all_data_auc": 0.85, "simulated": False}
    row |= figure_cells("aulc", Figure(FIGURE, versus), "random") | figure_cells("aulc_early", Figure(FIGURE), "random")
    row |= {"needed_90_share": 0.4, "needed_90_candidates": 40.0, "needed_90_images": 30.0, "needed_90_patients": 8.0}
    row |= {"reached_90": 0.5}
    (cells,) = efficiency_view(pl.DataFrame([row])).rows
    assert cells[4] == Cell("0.800 [0.700–0.900]", ("+0.020 to RAND, p = 0.060",))
    assert cells[6] == Cell("40%", ("40 · 30 · 8", "in 50% of runs"))
    assert cells[7] == Cell("–")


def test_the_terminal_escapes_what_looks_like_markup(monkeypatch: pytest.MonkeyPatch, capsys) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(render, "out", Console(width=100))
    render.show(view("[red]t[/]", ("[b]",), [[Cell("[/x]", ("[bold]y",))]]))
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("[red]t[/]", "[b]", "[/x]", "[bold]y"))


def test_figures_of_an_evaluation_are_the_files() -> None:
    import numpy as np

    from fibrostage.ground.stage import METAVIR
    from fibrostage.stats.evaluate import evaluate

    rng = np.random.default_rng(0)
    made = evaluate(rng.integers(0, 5, 60), rng.dirichlet(np.ones(5), 60), METAVIR, resamples=100)
    figures = patient_figures(made)
    metrics = made_metrics(**figures).as_dict()
    assert {key: metrics[key] for key in made.as_dict()} == made.as_dict()


def test_how_near_a_figure_comes_to_the_best_readers() -> None:
    assert reached(0.6, 0.8, "accuracy") == ("75% of 0.800",)
    assert reached(0.7, 0.9, "auc_macro") == ("50% of 0.900",)
    assert reached(0.4, 0.9, "auc_at_F2") == ("0% of 0.900",)
    assert reached(None, 0.9, "accuracy") == reached(0.4, None, "accuracy") == ()
