"""The report: one HTML file with everything in it, figures as vectors, nothing fetched from anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, select_autoescape

from fibrostage import RESEARCH_USE, SIMULATED
from fibrostage.active.strategies import STRATEGIES
from fibrostage.errors import RunError
from fibrostage.learn.predictions import patient_scores
from fibrostage.learn.runfolder import replace_file, write_text
from fibrostage.report.figures import (
    confusion_figure,
    learning_curves,
    roc_figure,
)
from fibrostage.report.folder import Results, read_results
from fibrostage.stats.estimate import Estimate


def write_report(folder: Path, target: Path | None = None) -> Path:
    """Writes index.html under `target` (DIR/report by default) and returns its path."""
    results = read_results(folder)
    out = target or folder / "report"
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write to {out}: {error.strerror}") from None
    page = out / "index.html"
    html = render(results)
    replace_file(page, lambda temporary: write_text(temporary, html))
    return page


def render(results: Results) -> str:
    environment = Environment(
        loader=PackageLoader("fibrostage.report", "templates"), autoescape=select_autoescape(), trim_blocks=True
    )
    environment.filters["figure"] = as_text
    simulated = results.simulated
    confusions = []
    for method, table in results.predictions.items():
        stages, probabilities = patient_scores(table, results.staging)
        counts = np.zeros((len(results.staging.classes),) * 2, dtype=int)
        np.add.at(counts, (stages, probabilities.argmax(axis=1)), 1)
        confusions.append((method, counts))
    first = results.metrics[0]
    return environment.get_template("report.html").render(
        name=results.name,
        simulated=SIMULATED if simulated else "",
        notice=RESEARCH_USE,
        caveats=results.caveats,
        staging=results.staging,
        single=first if len(results.metrics) == 1 else None,
        rows=study_rows(results),
        curves=None if results.curves is None else learning_curves(results.curves, simulated),
        roc=roc_figure(results.predictions, results.staging, simulated),
        confusion=confusion_figure(confusions, results.staging.classes, simulated),
        plan=json.dumps(results.plans[0], indent=2),
        runs=len(results.metrics),
        seeds=sorted({metrics["seed"] for metrics in results.metrics}),
        cohort=first["cohort"],
        split=first["split"],
        versions={"fibrostage": first["tool"], **first["versions"]},
    )


def study_rows(results: Results) -> list[dict[str, Any]]:
    if results.table is None:
        return []
    figures = ["accuracy", "auc_macro", *[f"auc_at_{cut}" for cut in results.staging.cuts], "curve_mean_auc"]
    return [
        {
            **row,
            "strategy": STRATEGIES[row["strategy"]].title,
            "figures": [over_runs(row, figure) for figure in figures],
        }
        for row in results.table.iter_rows(named=True)
    ]


def over_runs(row: dict[str, Any], figure: str) -> tuple[str, str]:
    """A figure and its interval over runs as text; one run has no interval."""
    if row.get(figure) is None:
        return "–", ""
    lo, hi = row[f"{figure}_lo"], row[f"{figure}_hi"]
    interval = "" if lo is None else f"[{lo:.3f}–{hi:.3f}]"
    return f"{row[figure]:.3f}", interval


def as_text(values: dict[str, Any]) -> str:
    return str(Estimate(values["value"], values["lo"], values["hi"], values.get("why", "")))
