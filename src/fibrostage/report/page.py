"""The report: one HTML file with everything in it, figures as vectors, nothing fetched from anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, select_autoescape

from fibrostage import RESEARCH_USE, SIMULATED
from fibrostage.active.strategy_expression import title_of
from fibrostage.ground.errors import RunError
from fibrostage.report.diagnosis_figures import flow_figure
from fibrostage.report.diagnosis_page import diagnosis_context
from fibrostage.report.figures import (
    confusion_figure,
    learning_curves,
    roc_figure,
)
from fibrostage.report.folder import Results, read_results
from fibrostage.results.predictions import scores_of
from fibrostage.results.run_folder import replace_file, write_text
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
        found = scores_of(table, results.staging)
        counts = np.zeros((len(results.staging.classes),) * 2, dtype=int)
        np.add.at(counts, (found.stages, found.probabilities.argmax(axis=1)), 1)
        confusions.append((method, counts))
    first = results.metrics[0]
    unit = first.get("unit", "candidate")
    return environment.get_template("report.html").render(
        name=results.name,
        simulated=SIMULATED if simulated else "",
        notice=RESEARCH_USE,
        caveats=results.caveats,
        staging=results.staging,
        single=first if len(results.metrics) == 1 and results.diagnosis is None else None,
        rows=study_rows(results),
        efficiency=efficiency_rows(results),
        failures=results.failures,
        curves=None if results.curves is None else learning_curves(results.curves, simulated, unit),
        roc=roc_figure(results.predictions, results.staging, simulated) if confusions else None,
        confusion=confusion_figure(confusions, results.staging.classes, simulated) if confusions else None,
        flow=None if results.flow is None else flow_figure(results.flow, simulated),
        diagnosis=None
        if results.diagnosis is None
        else diagnosis_context(results.diagnosis, results.staging, simulated),
        attributions=results.attributions,
        sources=sources_of(results),
        plan=json.dumps(results.plans[0], indent=2),
        runs=len(results.metrics),
        seeds=sorted({metrics["seed"] for metrics in results.metrics}),
        cohort=first["cohort"],
        split=first["split"],
        versions={"fibrostage": first["tool"], **first["versions"]},
    )


def sources_of(results: Results) -> list[dict[str, Any]]:
    """What trained weights the networks began from, each once."""
    found = [plan["network"].get("source") for plan in results.plans]
    return list({source["sha256"]: source for source in found if source}.values())


def study_rows(results: Results) -> list[dict[str, Any]]:
    if results.table is None:
        return []
    figures = ["accuracy", "auc_macro", *[f"auc_at_{cut}" for cut in results.staging.cuts], "curve_mean_auc"]
    return [
        {
            **row,
            "strategy": title_of(row["strategy"]),
            "figures": [over_runs(row, figure) for figure in figures],
        }
        for row in results.table.iter_rows(named=True)
    ]


def efficiency_rows(results: Results) -> list[dict[str, Any]]:
    """What labels bought, best area first within a method."""
    if results.efficiency is None or not len(results.efficiency):
        return []
    table = results.efficiency.sort("method", "aulc", descending=[False, True], maintain_order=True)
    return [
        {
            "method": row["method"],
            "strategy": title_of(row["strategy"]),
            "runs": row["runs"],
            "all_data": "–" if row["all_data_auc"] is None else f"{row['all_data_auc']:.3f}",
            "areas": [(over_runs(row, name), against_random(row, name)) for name in ("aulc", "aulc_early")],
            "needs": [needed(row, level) for level in (90, 95, 100)],
        }
        for row in table.iter_rows(named=True)
    ]


def against_random(row: dict[str, Any], figure: str) -> str:
    difference = row.get(f"{figure}_vs_random")
    if difference is None:
        return ""
    p = row.get(f"{figure}_vs_random_p_holm")
    return f"{difference:+.3f}" + ("" if p is None else f", p = {p:.2g}")


def needed(row: dict[str, Any], level: int) -> tuple[str, str]:
    """Labels to a share of the all-data AUC: of the pool, and the three currencies; how many runs got there."""
    if row.get(f"needed_{level}_share") is None:
        return "–", ""
    counts = " · ".join(f"{row[f'needed_{level}_{name}']:.0f}" for name in ("candidates", "images", "patients"))
    reached = row[f"reached_{level}"]
    return f"{row[f'needed_{level}_share']:.0%}", counts + ("" if reached == 1 else f" ({reached:.0%} of runs)")


def over_runs(row: dict[str, Any], figure: str) -> tuple[str, str]:
    """A figure and its interval over runs as text; one run has no interval."""
    if row.get(figure) is None:
        return "–", ""
    lo, hi = row[f"{figure}_lo"], row[f"{figure}_hi"]
    interval = "" if lo is None else f"[{lo:.3f}–{hi:.3f}]"
    return f"{row[figure]:.3f}", interval


def as_text(values: dict[str, Any]) -> str:
    return str(Estimate(values["value"], values["lo"], values["hi"], values.get("why", "")))
