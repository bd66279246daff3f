"""The tables of one run."""

from __future__ import annotations

from fibrostage.ground.stage import Staging
from fibrostage.results.metrics import Metrics
from fibrostage.results.rounds import AT_CUT
from fibrostage.stats.estimate import Estimate
from fibrostage.views.table import BEST_READER, Cell, TableView, figure_text, marked, method_text, reached, view

PER_PATIENT = (
    "Per patient: a patient's probabilities are the mean over the patient's candidates, calibrated where the plan says "
    "so. "
)
OF_TWO = "Accuracy with Wilson's interval, AUC with DeLong's."
OF_STAGES = (
    "Accuracy and share within one stage with Wilson's interval, kappa weighted by squared distance, AUC at a cut "
    "with DeLong's interval, the average AUC with a bootstrap over patients."
)
CALIBRATED = (
    "Shares with Wilson's interval. Calibration of the probability of a stage at or above it: slope 1 and intercept 0 "
    "mean what they say; a slope above 1 is too timid, below 1 too sure."
)
ALIKE = (
    "Pictures of one patient are alike: their interval takes the patient as the cluster. What is reached on training "
    "patients says how far the network can bend, not how well it stages."
)


def figures_view(metrics: Metrics, staging: Staging) -> TableView:
    """Accuracy, average AUC and AUC at each cut, of the test patients."""
    positives = {
        cut: sum(metrics.n_by_stage[c] for c in staging.classes[staging.threshold(cut) :]) for cut in staging.cuts
    }
    n = metrics.n_patients
    best = metrics.best_reader

    def cell(name: str, figure: Estimate) -> Cell:
        return Cell(figure_text(figure), reached(figure.value, best.get(name), name))

    rows: list[list[str | Cell]] = [
        ["accuracy", cell("accuracy", metrics.accuracy), str(n), ""],
    ]
    several = len(staging.classes) > 2  # of two the average AUC is that of the cut
    if several:
        rows.append(["average one-vs-rest AUC", cell("auc_macro", metrics.auc_macro), str(n), ""])
    for name, title, figure in (
        ("kappa", "weighted kappa", metrics.kappa),
        ("within_one", "within one stage", metrics.within_one),
    ):
        if figure is not None and (name == "kappa" or several):
            rows.insert(1 if name == "kappa" else 2, [title, cell(name, figure), str(n), ""])
    rows += [
        [f"AUC {staging.cut_name(cut)}", cell(AT_CUT + cut, figure), str(n), str(positives[cut])]
        for cut, figure in metrics.auc_at_cut.items()
    ]
    if metrics.sets is not None:
        found = metrics.sets
        asked = f"{found.asked:.2f} is asked, {found.mean_size:.1f} stages a set"
        rows.append(["set holds the stage", Cell(figure_text(found.covered), (asked,)), str(n), ""])
    for title, loss, name in (("log loss", metrics.log_loss, "log_loss"), ("Brier score", metrics.brier, "")):
        if loss is not None:
            known = (f"{best[name]:.3f} the best reader's",) if name in best else ()
            rows.append([title, Cell(figure_text(loss), known), str(n), ""])
    note = PER_PATIENT + (OF_STAGES if several else OF_TWO) + (BEST_READER if best else "")
    columns = ("figure", f"value [{round(100 * metrics.confidence)} % CI]", "test patients", "positive")
    return view(marked(f"{method_text(metrics.method)} · test patients", metrics.simulated), columns, rows, note)


def stages_view(metrics: Metrics, staging: Staging) -> TableView | None:
    """How often each stage is called rightly, and whether the probabilities at each cut mean what they say; None for
    runs from before that was told."""
    if not metrics.recall:
        return None
    rows = []
    for name in staging.classes:
        known = metrics.calibration.get(name)
        parts = ("", "") if known is None else (figure_text(known.slope), figure_text(known.intercept))
        own = {} if metrics.sets is None else metrics.sets.by_stage
        held = [figure_text(own.get(name))] if own else []
        rows.append([name, str(metrics.n_by_stage[name]), figure_text(metrics.recall[name]), *held, *parts])
    in_set = () if metrics.sets is None else ("in their set",)
    columns = ("stage", "test patients", "of them called so", *in_set, "slope at or above", "intercept at or above")
    return view(marked("stages called, and calibration", metrics.simulated), columns, rows, CALIBRATED)


def beside_view(metrics: Metrics, staging: Staging) -> TableView | None:
    """AUC at each cut of the training cohort and over pictures; None where a run has neither."""
    rows = []
    if metrics.training is not None:
        figures = [figure_text(figure) for figure in metrics.training.auc_at_cut.values()]
        rows.append(["training cohort, patients", *figures, f"{metrics.training.n_patients} patients"])
    if metrics.pictures is not None:
        found = metrics.pictures
        figures = [figure_text(figure) for figure in found.auc_at_cut.values()]
        rows.append(["test cohort, pictures", *figures, f"{found.n_pictures} pictures of {found.n_patients} patients"])
    if not rows:
        return None
    columns = ("AUC", *(staging.cut_name(cut) for cut in metrics.auc_at_cut), "n")
    return view(marked("beside the test patients", metrics.simulated), columns, rows, ALIKE)
