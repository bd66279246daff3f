"""The tables of a supervised study: networks beside each other and beside markers."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from fibrostage.analysis.networks_and_markers import COHORTS
from fibrostage.analysis.supervised_study import REFERENCE
from fibrostage.ground.stage import Staging
from fibrostage.results.estimate_columns import Row, estimate_in, figure_in, number, text, whole
from fibrostage.results.predictions import TEST
from fibrostage.results.rounds import AT_CUT, RECALL, SLOPE
from fibrostage.views.study import is_simulated
from fibrostage.views.table import (
    BEST_READER,
    Cell,
    TableView,
    figure_text,
    marked,
    method_text,
    number_text,
    p_text,
    reached,
    signed_text,
    view,
)

CALLED = {
    "accuracy": "accuracy", "weighted kappa": "kappa", "within one stage": "within_one", "log loss": "log_loss",
    "Brier": "brier",
}  # fmt: skip
OVER_SEEDS = "Mean over seeds, interval by the corrected resampled t-test on the same divisions."
ONE_SEED = (
    " With one seed there is no interval over divisions; those over its patients stand where the reference is compared "
    "with each."
)
CALIBRATED_SLOPES = (
    f"{OVER_SEEDS} A slope of 1 means that the "
    "probability of a stage at or above the cut is what it says; above 1 it is too timid, below 1 too sure."
)


def supervised_view(results: pl.DataFrame, staging: Staging, reference: str) -> TableView:
    """A row a method and cut: test and training AUC over seeds, and against the reference."""
    rows = [cells for row in results.iter_rows(named=True) for cells in method_rows(row, staging)]
    columns = (
        "method", "cut", "runs", "training patients", "test patients", "test AUC", "training AUC",
        "minus the reference", "p (Holm)",
    )  # fmt: skip
    note = (
        "Per patient, mean over seeds, each of which divides the patients anew unless the split is a column; "
        f"interval and p by the corrected resampled t-test on the same divisions; the reference is {reference}."
    )
    note += ONE_SEED if len(results) and int(results["runs"].to_numpy().max()) < 2 else ""
    note += BEST_READER if any(name.startswith("best_reader") for name in results.columns) else ""
    title = marked("per patient: mean over seeds (interval over divisions)", is_simulated(results))
    return view(title, columns, rows, note, range(5, len(columns)))


def method_rows(row: Row, staging: Staging) -> list[list[str | Cell]]:
    """A method's rows: one for each cut it speaks to, one for all stages where it tells them apart."""
    own = [method_text(text(row, "method"))]
    counts = [str(whole(row, name)) for name in ("runs", "n_training", "n_patients")]
    rows: list[list[str | Cell]] = []
    for name in row:
        cut = name.removeprefix(AT_CUT)
        if not name.startswith(AT_CUT) or f"{name}_lo" not in row or cut.endswith(f"_vs_{REFERENCE}"):
            continue
        figure = figure_in(row, name, REFERENCE)
        if figure is None:
            continue
        versus = figure.versus
        rows.append(
            [
                *own,
                staging.cut_name(cut),
                *counts,
                Cell(
                    figure_text(figure.estimate),
                    reached(figure.estimate.value, number(row, f"best_reader_{name}"), name),
                ),
                number_text(number(row, f"training_{name}")),
                "" if versus is None else signed_text(versus.difference),
                "" if versus is None else p_text(versus.p_holm),
            ]
        )
    macro = estimate_in(row, "auc_macro")
    if macro is not None and macro.value is not None:
        accuracy = figure_text(estimate_in(row, "accuracy"))
        average = Cell(figure_text(macro), ("average one-vs-rest AUC", f"accuracy {accuracy}"))
        rows.append([*own, "all stages", *counts, average, "", "", ""])
    return rows


def calling_views(results: pl.DataFrame, staging: Staging) -> list[TableView]:
    """How each method’s stages are called, which of each stage are called so, and whether probabilities mean what they
    say: a table each, a row a method and task; none for studies from before that was told."""
    if "log_loss" not in results.columns:
        return []
    recalled = {name: RECALL + name for name in staging.classes if RECALL + name in results.columns}
    slopes = {staging.cut_name(name): SLOPE + name for name in staging.classes[1:] if SLOPE + name in results.columns}
    simulated, told = is_simulated(results), results.filter(pl.col("log_loss").is_not_null())

    def table(title: str, figures: Mapping[str, str], note: str) -> TableView:
        rows = []
        for row in told.iter_rows(named=True):
            task = text(row, "task")
            named = [method_text(text(row, "method")), staging.cut_name(task) if task else "all stages"]
            known = [number(row, name) is not None for name in figures.values()]
            shown = [figure_text(estimate_in(row, name)) for name in figures.values()]
            cells = [figure if there else "" for figure, there in zip(shown, known, strict=True)]
            if any(known):
                rows.append([*named, str(whole(row, "n_patients")), *cells])
        columns = ("method", "learns", "n", *figures)
        return view(marked(title, simulated), columns, rows, note, range(2, len(columns)))

    cuts_alone = bool(len(told)) and all(told["task"])  # of two stages everybody is within one
    called = {title: name for title, name in CALLED.items() if not (cuts_alone and name == "within_one")}
    tables = [
        table("stages called (interval over divisions)", called, OVER_SEEDS),
        table("of each stage, the share called so", recalled, OVER_SEEDS),
        table("calibration slope at each cut", slopes, CALIBRATED_SLOPES),
    ]
    return [one for one in tables if one.rows and len(one.columns) > 3]


def comparison_view(
    comparison: pl.DataFrame, reference: str, title: str, staging: Staging, with_cut: bool = False
) -> TableView:
    """The reference against each on common patients, the reference first; with the cut where the table has several."""
    ordered = sorted(comparison.iter_rows(named=True), key=lambda row: (row["cut"], row["method"] != reference))
    rows = []
    for row in ordered:
        area, difference = estimate_in(row, "auc"), estimate_in(row, "difference")
        both = number(row, "n_both")
        cut = text(row, "cut")
        rows.append(
            [
                *([staging.cut_name(cut)] if with_cut else []),
                method_text(text(row, "method")),
                f"{row['n']} ({row['positives']})",
                figure_text(area),
                signed_text(difference),
                p_text(number(row, "p_holm")),
                "" if both is None else f"{both:.0f}",
            ]
        )
    names = ("method", "n (positive)", "AUC", "reference minus it", "p (Holm)", "patients with both")
    columns = ("cut", *names) if with_cut else names
    note = f"The reference is {method_text(reference)}." if with_cut else ""
    return view(marked(title, is_simulated(comparison)), columns, rows, note)


def first_test_cohort(comparison: pl.DataFrame) -> pl.DataFrame:
    """The first seed's test cohort."""
    return comparison.filter((pl.col("seed") == comparison["seed"][0]) & (pl.col("split") == TEST))


def comparison_panels(comparison: pl.DataFrame, reference: str, staging: Staging) -> list[TableView]:
    """One seed's AUCs, a table a cohort and cut."""
    panels = []
    for split, title in COHORTS.items():
        for cut in staging.cuts:
            own = comparison.filter((pl.col("split") == split) & (pl.col("cut") == cut))
            if len(own):
                panels.append(comparison_view(own, reference, f"{staging.cut_name(cut)}, {title}", staging))
    return panels


def pictures_view(pictures: pl.DataFrame, staging: Staging) -> TableView:
    """AUCs over pictures beside the error that independent pictures would have."""
    rows = [
        [
            method_text(text(row, "method")),
            f"{staging.cut_name(text(row, 'cut'))}, {COHORTS[text(row, 'split')]}",
            f"{whole(row, 'n_pictures'):,} of {row['n_patients']}",
            figure_text(estimate_in(row, "auc", text(row, "why") or "not defined")),
            number_text(number(row, "se")),
            number_text(number(row, "se_if_independent")),
        ]
        for row in pictures.iter_rows(named=True)
    ]
    columns = (
        "method", "where", "pictures of patients", "AUC", "its standard error", "if pictures were independent",
    )  # fmt: skip
    note = (
        "A picture's probability is the mean over its crops. Pictures of one patient are alike: the interval "
        "takes the patient as the cluster (Obuchowski 1997); the last column is the error that counting them as "
        "independent would claim."
    )
    return view(marked("over pictures", is_simulated(pictures)), columns, rows, note, range(3, 6))


def study_views(
    results: pl.DataFrame, beside: Mapping[str, pl.DataFrame], staging: Staging, reference: str
) -> list[TableView]:
    """A supervised study's tables for the terminal."""
    comparison = first_test_cohort(beside["comparison"])
    title = f"test cohort of seed {comparison['seed'][0]}: AUC with interval, DeLong, Holm"
    return [
        supervised_view(results, staging, reference),
        *calling_views(results, staging),
        comparison_view(comparison, reference, title, staging, with_cut=True),
    ]
