"""The tables of an active-learning study: what was reached, and what labels bought."""

from __future__ import annotations

import polars as pl

from fibrostage.active.strategy_expression import title_of
from fibrostage.analysis.budgets import AT_SHARE
from fibrostage.analysis.common_patients import FIRST
from fibrostage.analysis.label_efficiency import LEVELS, RANDOM
from fibrostage.ground.numbers import signed
from fibrostage.ground.stage import Staging
from fibrostage.results.estimate_columns import Figure, Row, estimate_in, figure_in, number, text, whole
from fibrostage.results.rounds import AT_CUT, FIGURES
from fibrostage.stats.estimate import Estimate
from fibrostage.views.table import (
    BEST_READER,
    NONE,
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

OVER_RUNS = (
    "Mean over runs, each of which divides the patients anew, with the corrected resampled interval (runs share most "
    "of their training patients; plain Student over runs would be far too narrow). It says how much divisions of "
    "the patients differ, not how sure we are of new patients (the ROC curves say that). The figures are those of the "
    "last round, with every label of the pool that the plan allows. Test patients choose nothing. A dash is where no "
    "run tests enough patients on both sides of a cut; there is no interval where runs do not differ or one alone has "
    "a figure."
)
BOUGHT = (
    "Area: mean average AUC along the learning curve from the first label to the last, each share of the pool "
    "weighing the same, so that it is high where labels help early; with the difference to RAND on the "
    "same folds and seeds and Holm’s p (corrected resampled t-test). Needs: share of the pool, and beside it "
    "candidates · images · patients, until a run’s curve, made rising, reaches a share of the AUC with all "
    "labels; a run that never does counts with the whole pool. A dash is where no run has every label: it takes the "
    "strategy “all”, or rounds up to the whole pool."
)
PRINTED = (
    "The paper’s figures are of other patients, on one division, and stand here for the shape; ours are means over "
    "runs [95 % CI over divisions], accuracy above average AUC. Between two rounds a share lies in proportion. The "
    "best round is chosen by the test patients’ own AUC, as the paper’s was: it is optimistic."
)
COMMON_PATIENTS = (
    "Of the last round, on the patients whom every method of the strategy could test in a division; beneath, the "
    "difference to the first method of the strategy, with interval and Holm’s p of the corrected resampled t-test."
)
AT_BUDGETS = (
    "At a share of the pool, and along the curve: average AUC within divisions, the mean over runs, with a bootstrap "
    "interval over the patients who test and the starts (seeds); beneath, the difference to RAND from the same starts "
    "on the same patients, and Holm’s p over strategies. It says whether a strategy is better for new patients when "
    "one learns from these. The table before asks more, whether it is so whatever the division (corrected resampled "
    "t-test), and sees less. With one start the chance of a start is not in the interval; with two it is too narrow."
)
COUNTS = ("candidates", "images", "patients")


def results_view(results: pl.DataFrame, cuts: Staging | None = None) -> TableView:
    """A row a method and strategy: figures of the last round; with `cuts`, the AUC at each of them too."""
    names = [] if cuts is None else [AT_CUT + cut for cut in cuts.cuts]
    figures = ["accuracy", "auc_macro", *names]
    rows: list[list[str | Cell]] = [
        [
            method_text(row["method"]),
            title_of(row["strategy"]),
            str(row["runs"]),
            str(row["n_patients"]),
            *(figure_cell(row, figure) for figure in figures),
        ]
        for row in results.iter_rows(named=True)
    ]
    at_cuts = [] if cuts is None else [f"AUC {cuts.cut_name(cut)}" for cut in cuts.cuts]
    columns = ("method", "strategy", "runs", "test patients", "accuracy", "average AUC", *at_cuts)
    title = marked("last round: mean over runs [95 % CI over divisions]", is_simulated(results))
    alone = len(results) and int(results["runs"].to_numpy().max()) < 2
    one = " One run has no interval over divisions." if alone else ""
    best = one + BEST_READER if "best_reader_auc_macro" in results.columns else one
    return view(title, columns, rows, OVER_RUNS + best, range(4, len(columns)))


def figure_cell(row: Row, figure: str) -> Cell:
    """A figure with its interval; beside it the same with each picture or pair counting as one, and on a simulated
    cohort how near it comes to the best reader's."""
    by_candidate = number(row, f"{figure}_candidates")
    beside = () if by_candidate is None else (f"by candidate {number_text(by_candidate)}",)
    estimate, best = known(row, figure), number(row, f"best_reader_{figure}")
    return Cell(figure_text(estimate), (*beside, *reached(None if estimate is None else estimate.value, best, figure)))


def common_view(common: pl.DataFrame) -> TableView:
    """Methods on the patients whom all of them tested, and against the first of each strategy."""
    rows: list[list[str | Cell]] = []
    for row in common.iter_rows(named=True):
        cells: list[str | Cell] = []
        for name in FIGURES:
            figure = figure_in(row, name, FIRST)
            versus = None if figure is None else figure.versus
            beside = () if versus is None else (f"{signed_text(versus.difference)}, p {p_text(versus.p_holm)}",)
            cells.append(Cell(NONE if figure is None else figure_text(figure.estimate), beside))
        counts = [str(whole(row, name)) for name in ("runs", "n_common", "n_own")]
        rows.append([method_text(text(row, "method")), title_of(text(row, "strategy")), *counts, *cells])
    columns = ("method", "strategy", "runs", "common patients", "own test patients", "accuracy", "average AUC")
    title = marked("on common test patients: mean over runs [95 % CI over divisions]", is_simulated(common))
    return view(title, columns, rows, COMMON_PATIENTS, range(5, len(columns)))


def counted_view(counted: pl.DataFrame) -> TableView:
    """Pictures and pairs by stage, and beside each what the paper had."""
    stages = [name.removeprefix("paper_") for name in counted.columns if name.startswith("paper_")]
    rows: list[list[str | Cell]] = [
        [
            method_text(text(row, "modalities")),
            str(whole(row, "patients")),
            *(
                Cell(f"{whole(row, name):,}", () if paper is None else (f"paper {paper:,.0f}",))
                for name in stages
                for paper in (number(row, f"paper_{name}"),)
            ),
        ]
        for row in counted.iter_rows(named=True)
    ]
    columns = ("pictures, or pairs within a patient", "patients", "all stages", *stages[1:])
    return view(marked("pictures and pairs", is_simulated(counted)), columns, rows, numbers=range(1, len(columns)))


def published_view(published: pl.DataFrame, paper: str) -> TableView:
    """What a paper prints, a row a method and strategy, and beside it what the same methods give here."""
    if "cut" in published.columns:
        return published_cuts_view(published, paper)
    rows: list[list[str | Cell]] = [
        [
            Cell(method_text(text(row, "method")), said_of(row)),
            title_of(text(row, "strategy")),
            Cell(number_text(number(row, "paper_accuracy")), (at_share(number(row, "paper_auc"), row, "paper_share"),)),
            str(whole(row, "runs")),
            NONE if row["n_patients"] is None else str(whole(row, "n_patients")),
            *(both_cell(row, where) for where in ("all", "there", "best_optimistic")),
        ]
        for row in published.iter_rows(named=True)
    ]
    columns = (
        "method", "strategy", "the paper: accuracy, AUC", "runs", "test patients", "here: all labels",
        "here: the paper’s share", "here: best round (optimistic)",
    )  # fmt: skip
    return view(marked(f"beside {paper}", is_simulated(published)), columns, rows, PRINTED, range(2, len(columns)))


def both_cell(row: Row, where: str) -> Cell:
    """Accuracy with its interval, and beside it the average AUC; of the best round, at its share of the labels."""
    accuracy, auc = (known(row, f"{where}_{figure}") for figure in FIGURES)
    if accuracy is None or auc is None:
        return Cell(NONE)
    share = number(row, "best_share_optimistic") if where == "best_optimistic" else None
    at = () if share is None or share == 1 else (f"at {share:.0%}",)
    return Cell(figure_text(accuracy), (figure_text(auc), *at))


def said_of(row: Row) -> tuple[str, ...]:
    """The paper's table, and the method here where another stands in."""
    source, stands_in = text(row, "source"), text(row, "here")
    return (source,) if stands_in == row["method"] else (source, f"here: {stands_in}")


def at_share(auc: float | None, row: Row, name: str) -> str:
    """An AUC, and the share of the labels that it is at where that is not all of them."""
    share = number(row, name) or 1.0
    return number_text(auc) + (f" at {share:.1%}" if share < 1 else "")


def published_cuts_view(published: pl.DataFrame, paper: str) -> TableView:
    """What a paper prints at cuts, a row a method, cut and cohort."""
    rows = [
        [
            text(row, "source"),
            method_text(text(row, "method")),
            text(row, "cut"),
            text(row, "cohort"),
            number_text(number(row, "paper_auc"), 2),
            str(whole(row, "runs")),
            NONE if row["n_patients"] is None else str(whole(row, "n_patients")),
            figure_text(known(row, "auc")),
        ]
        for row in published.iter_rows(named=True)
    ]
    columns = ("figure", "method", "cut", "cohort", "the paper: AUC", "runs here", "patients", "AUC here")
    return view(marked(f"beside {paper}", is_simulated(published)), columns, rows, PRINTED, range(4, len(columns)))


def efficiency_view(efficiency: pl.DataFrame) -> TableView:
    """What labels bought: methods as they came, the best area first within each."""
    methods = pl.Enum(efficiency["method"].unique(maintain_order=True))
    table = efficiency.sort(pl.col("method").cast(methods), "aulc", descending=[False, True], maintain_order=True)
    rows: list[list[str | Cell]] = [
        [
            method_text(text(row, "method")),
            title_of(text(row, "strategy")),
            str(whole(row, "runs")),
            number_text(number(row, "all_data_auc")),
            *(area_cell(figure_in(row, name, RANDOM)) for name in ("aulc", "aulc_early")),
            *(needed_cell(row, level) for level in LEVELS),
        ]
        for row in table.iter_rows(named=True)
    ]
    needs = [f"to {level} %" for level in LEVELS]
    columns = ("method", "strategy", "runs", "all-data AUC", "area under the curve", "area, first 30 %", *needs)
    return view(marked("what labels bought", is_simulated(efficiency)), columns, rows, BOUGHT, range(3, len(columns)))


def area_cell(figure: Figure | None) -> Cell:
    """An area with its interval, and beside it its difference to RAND and p."""
    if figure is None:
        return Cell(NONE)
    versus = figure.versus
    beside = ""
    if versus is not None and versus.difference.value is not None:
        p = p_text(versus.p_holm)
        beside = f"{signed(versus.difference.value)} to RAND" + (
            f", p {p if p.startswith('<') else f'= {p}'}" if p else ""
        )
    return Cell(figure_text(figure.estimate), (beside,) if beside else ())


def budgets_view(budgets: pl.DataFrame) -> TableView:
    """What each strategy reaches at each budget, told by the patients: methods as they came, the best area first."""
    methods = pl.Enum(budgets["method"].unique(maintain_order=True))
    table = budgets.sort(pl.col("method").cast(methods), "aulc", descending=[False, True], maintain_order=True)
    shares = [name for name in table.columns if name.startswith(AT_SHARE) and name.removeprefix(AT_SHARE).isdigit()]
    rows: list[list[str | Cell]] = [
        [
            method_text(text(row, "method")),
            title_of(text(row, "strategy")),
            f"{whole(row, 'starts')}",
            f"{whole(row, 'n_patients')}",
            *(area_cell(figure_in(row, name, RANDOM)) for name in (*shares, "aulc", "aulc_early")),
        ]
        for row in table.iter_rows(named=True)
    ]
    at = [f"AUC at {name.removeprefix(AT_SHARE)} %" for name in shares]
    columns = ("method", "strategy", "starts", "patients", *at, "area under the curve", "area, first 30 %")
    title = marked("at each budget, by patients", is_simulated(budgets))
    return view(title, columns, rows, AT_BUDGETS, range(2, len(columns)))


def needed_cell(row: Row, level: int) -> Cell:
    """Labels to a share of the all-data AUC: of the pool, beside it the three currencies and how many runs got
    there."""
    share = number(row, f"needed_{level}_share")
    if share is None:
        return Cell(NONE)
    counts = " · ".join(f"{number(row, f'needed_{level}_{name}') or 0.0:.0f}" for name in COUNTS)
    reached = number(row, f"reached_{level}")
    fewer = () if reached is None or reached == 1 else (f"in {reached:.0%} of runs",)
    return Cell(f"{share:.0%}", (counts, *fewer))


def known(row: Row, name: str) -> Estimate | None:
    """A figure of a row, None where it is absent or null."""
    found = estimate_in(row, name)
    return None if found is None or found.value is None else found


def is_simulated(table: pl.DataFrame) -> bool:
    """Whether a table is of patients who do not exist."""
    return "simulated" in table.columns and bool(table["simulated"].any())
