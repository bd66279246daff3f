"""Tables for people: a cohort's description, a run's figures, a study's results."""

from __future__ import annotations

from typing import Any

import polars as pl
from rich.table import Table

from fibrostage import SIMULATED
from fibrostage.cohort.describe import Description
from fibrostage.stats.estimate import Estimate


def description_table(description: Description) -> Table:
    cohort = description.cohort
    mark = f" · {SIMULATED}" if cohort.simulated else ""
    table = Table(title=f"{cohort.name} · {cohort.staging.name}{mark}", title_justify="left")
    table.add_column("")
    for column in ("total", *description.columns):
        table.add_column(column, justify="right")
    for row in (description.patients, *description.images, description.candidates):
        name = row.name
        if row is description.patients:
            name = "patients"
        elif row is description.candidates:
            name = f"candidates {row.name}"
        table.add_row(name, f"{row.total:,}", *(f"{count:,}" for count in row.by_stage))
    return table


def figure(values: dict[str, Any]) -> str:
    """An estimate of metrics.json as text."""
    return str(Estimate(values["value"], values["lo"], values["hi"], values.get("why", "")))


def metrics_table(metrics: dict[str, Any]) -> Table:
    mark = f" · {SIMULATED}" if metrics["simulated"] else ""
    percent = round(100 * metrics["confidence"])
    table = Table(title=f"{metrics['method']} · n = {metrics['n_patients']} test patients{mark}", title_justify="left")
    table.add_column("figure")
    table.add_column(f"value [{percent} % CI]")
    table.add_row("accuracy", figure(metrics["accuracy"]))
    table.add_row("average one-vs-rest AUC", figure(metrics["auc_macro"]))
    for cut, values in metrics["auc_at_cut"].items():
        name = cut if cut == metrics["classes"][-1] else f"≥{cut}"
        table.add_row(f"AUC {name}", figure(values))
    return table


def results_view(results: pl.DataFrame) -> Table:
    simulated = bool(results["simulated"].any())
    mark = f" · {SIMULATED}" if simulated else ""
    table = Table(title=f"last round: mean over runs [95 % CI over folds, or seeds]{mark}", title_justify="left")
    for column in ("method", "strategy", "runs", "n test"):
        table.add_column(column)
    for column in ("accuracy", "average AUC", "AUC over the curve"):
        table.add_column(column, justify="right", overflow="fold", min_width=9)
    for row in results.iter_rows(named=True):
        table.add_row(
            row["method"],
            row["strategy"],
            str(row["runs"]),
            str(row["n_patients"]),
            *(interval(row, name) for name in ("accuracy", "auc_macro", "curve_mean_auc")),
        )
    return table


def interval(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None:
        return "–"
    lo, hi = row[f"{name}_lo"], row[f"{name}_hi"]
    return f"{value:.3f}" if lo is None else f"{value:.3f} [{lo:.3f}–{hi:.3f}]"
