"""What a results folder holds: one run, or a study of many, brought to one shape for the page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from fibrostage.active.strategy_expression import ALL, title_of
from fibrostage.ground.errors import RunError
from fibrostage.ground.stage import Staging
from fibrostage.plan.run_plan import StagingPlan
from fibrostage.report.attribution import Attribution, attribution_of
from fibrostage.report.diagnosis_page import Diagnosis, read_diagnosis
from fibrostage.results.run_folder import CURVE, METRICS, PLAN, PREDICTIONS, read_json, read_parquet

MOST_SHOWN = 3  # strategies whose last rounds are drawn side by side


@dataclass(frozen=True)
class Results:
    """Everything a page shows. `predictions` are of each run's last round, per method and strategy."""

    name: str
    staging: Staging
    metrics: list[dict[str, Any]]
    plans: list[dict[str, Any]]
    predictions: dict[str, pl.DataFrame]
    curves: pl.DataFrame | None
    table: pl.DataFrame | None
    efficiency: pl.DataFrame | None = None
    failures: dict[str, str] = field(default_factory=dict)
    flow: dict[str, Any] | None = None
    diagnosis: Diagnosis | None = None
    attributions: tuple[Attribution, ...] = ()

    @property
    def simulated(self) -> bool:
        return any(metrics["simulated"] for metrics in self.metrics)

    @property
    def caveats(self) -> list[str]:
        return list(dict.fromkeys(c for metrics in self.metrics for c in metrics["caveats"]))


def read_results(folder: Path) -> Results:
    """Reads a run or a study; raises `RunError` when the folder is neither, or unfinished."""
    try:
        if (folder / METRICS).is_file():
            return read_run(folder)
        if (folder / "results.parquet").is_file():
            return read_study(folder)
    except (KeyError, TypeError) as error:
        raise RunError(f"the results in {folder} are damaged: {error} is missing or not what it must be") from None
    if (folder / PLAN).is_file():
        raise RunError(f"the run in {folder} is not finished (no {METRICS})")
    if not folder.is_dir():
        raise RunError(f"no folder {folder}")
    raise RunError(f"{folder} is neither a run (no {METRICS}) nor a finished study (no results.parquet)")


def staging_of(plan: dict[str, Any], metrics: dict[str, Any]) -> Staging:
    return Staging(plan["staging"]["name"], tuple(metrics["classes"]), tuple(metrics["auc_at_cut"]))


def read_run(folder: Path) -> Results:
    metrics, plan = read_json(folder / METRICS), read_json(folder / PLAN)
    curves = read_parquet(folder / CURVE) if (folder / CURVE).is_file() else None
    predictions = {metrics["method"]: read_parquet(folder / PREDICTIONS)}
    name = folder.resolve().name
    seen = attribution_of(folder, metrics["method"])
    return Results(
        name, staging_of(plan, metrics), [metrics], [plan], predictions, curves, None,
        flow=metrics.get("flow"), attributions=(seen,) if seen else (),
    )  # fmt: skip


def read_study(folder: Path) -> Results:
    study = read_json(folder / "study.json")
    runs = [folder / "runs" / name for name in study["runs"]]
    metrics = [read_json(run / METRICS) for run in runs]
    plans = [read_json(run / PLAN) for run in runs]
    if study.get("supervised"):
        return read_supervised(folder, study, runs, metrics, plans)
    by_method: dict[str, list[pl.DataFrame]] = {}
    shown = strategies_shown(one["strategy"] for one in metrics)
    for run, one in zip(runs, metrics, strict=True):
        if one["strategy"] in shown:
            title = f"{study['methods'][run.name]} {title_of(one['strategy'])}"
            by_method.setdefault(title, []).append(read_parquet(run / PREDICTIONS))
    predictions = {method: pl.concat(tables) for method, tables in by_method.items()}
    curves = read_parquet(folder / "curves.parquet")
    table = read_parquet(folder / "results.parquet")
    efficiency = read_parquet(folder / "efficiency.parquet")
    staging = staging_of(plans[0], metrics[0])
    return Results(study["name"], staging, metrics, plans, predictions, curves, table, efficiency, study["failures"])


def read_supervised(
    folder: Path, study: dict[str, Any], runs: list[Path], metrics: list[dict[str, Any]], plans: list[dict[str, Any]]
) -> Results:
    """A study of supervised runs; the staging is the whole system, whatever cut a run learned."""
    of = plans[0]["staging"]
    staging = StagingPlan(name=of["name"], classes=of["classes"], cuts=of["cuts"]).whole()
    found = (
        attribution_of(run, f"{study['methods'][run.name]} {plan['staging']['task'] or ''}".strip())
        for run, plan in zip(runs, plans, strict=True)
    )
    return Results(
        study["name"], staging, metrics, plans, {}, None, None,
        failures=study["failures"],
        flow=study["flow"],
        diagnosis=read_diagnosis(folder, study, metrics[0]["confidence"]),
        attributions=tuple(one for one in found if one is not None),
    )  # fmt: skip


def strategies_shown(names: Iterable[str]) -> set[str]:
    """Whose last round is worth a ROC curve: all of a few, else one that had every label."""
    every = list(dict.fromkeys(names))
    return set(every) if len(every) <= MOST_SHOWN else {ALL} & set(every) or {every[0]}
