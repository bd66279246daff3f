"""Results as they lie in a folder, one run's or a study's, read into the one shape that the page is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from fibrostage.active.strategy_expression import ALL, title_of
from fibrostage.analysis.judged import KeptRun
from fibrostage.analysis.modalities_added import Seen
from fibrostage.ground.errors import RunError
from fibrostage.ground.stage import Staging
from fibrostage.report.attribution import attribution_of
from fibrostage.report.results import Diagnosis, Plan, Results, seen_of, staging_of
from fibrostage.results.examples import read_examples
from fibrostage.results.metrics import Metrics
from fibrostage.results.participants import known_together
from fibrostage.results.run_folder import RunFolder, read_parquet
from fibrostage.results.study_folder import (
    BUDGETS,
    COMMON,
    COMPARISON,
    COUNTED,
    CURVES,
    CUTOFFS,
    EFFICIENCY,
    PICTURES,
    PUBLISHED,
    RESULTS,
    SCORES,
    StudyFolder,
    StudyRecord,
)
from fibrostage.results.validation import read_validation

MOST_SHOWN = 3  # strategies whose last rounds are drawn side by side


def read_results(folder: Path) -> Results:
    """Reads a run or a study; raises `RunError` when the folder is neither, unfinished or damaged."""
    run, study = RunFolder(folder), StudyFolder(folder)
    if run.finished:
        return read_run(run)
    if study.finished:
        return read_study(study)
    if run.begun:
        raise RunError(f"the run in {folder} is not finished (no {run.metrics_file.name})")
    if not folder.is_dir():
        raise RunError(f"no folder {folder}")
    table = study.table_file(RESULTS).name
    raise RunError(f"{folder} is neither a run (no {run.metrics_file.name}) nor a finished study (no {table})")


def read_run(run: RunFolder) -> Results:
    """One run: a supervised one, or one that asked."""
    metrics, plan = run.read_metrics(), run.read_plan()
    curves = read_parquet(run.curve_file) if run.curve_file.is_file() else None
    seen, judged = attribution_of(run, metrics.method), read_validation(run.path)
    return Results(
        run.name,
        metrics.staging(staging_of(plan, run.plan_file).name),
        [metrics],
        [plan],
        {metrics.method: run.read_predictions()},
        curves,
        flow=metrics.flow,
        attributions=(seen,) if seen else (),
        kept=(kept_of(run, metrics, None, metrics.method, carried=judged is not None),),
        validation=judged,
        examples=read_examples(run.examples_file, run.example_pictures_file),
        by_modality=read_parquet(run.by_modality_file) if run.by_modality_file.is_file() else None,
    )


def kept_of(run: RunFolder, metrics: Metrics, task: str | None, method: str, carried: bool = False) -> KeptRun:
    """What a run keeps of its patients; `task` is the cut of the study's stages that it learned, None where its stages
    are those of the report, and `carried` says that its model was fitted elsewhere."""
    told = run.read_callings()
    return KeptRun(
        method, metrics.seed, task, run.read_predictions(), told, run.read_participants(), metrics.strategy, carried
    )


def kept_together(runs: Sequence[KeptRun], method: str) -> KeptRun:
    """The last rounds of several runs of a method and strategy as one: their test patients, and everybody who trained
    or tested in any of them."""
    seeds = len({run.seed for run in runs}) > 1
    tables = [run.predictions for run in runs]
    if seeds:  # the folds of seeds are named alike, and are others
        tables = [table.with_columns(fold=pl.format("seed {}, {}", "seed", "fold")) for table in tables]
    known = [run.participants for run in runs]
    whole = [one for one in known if one is not None]
    together = known_together(whole) if len(whole) == len(known) else None
    first = runs[0]
    return KeptRun(method, first.seed, None, pl.concat(tables, how="diagonal_relaxed"), {}, together, first.strategy)


def read_study(folder: StudyFolder) -> Results:
    """A study of supervised runs, or of runs that asked; raises `RunError` where it holds no run."""
    record = folder.read()
    runs = list(folder.runs(record))
    if not runs:
        raise RunError(f"the study in {folder.path} holds no finished run")
    metrics, plans = [run.read_metrics() for run in runs], [run.read_plan() for run in runs]
    staging = staging_of(plans[0], runs[0].plan_file)
    if record.supervised:
        return read_supervised(folder, record, runs, metrics, plans, staging.whole())
    beside = folder.beside(record)
    by_method: dict[str, list[KeptRun]] = {}
    seen: dict[str, Seen] = {}
    shown = strategies_shown(one.strategy or "" for one in metrics)
    for run, one in zip(runs, metrics, strict=True):
        if one.strategy in shown:
            title = f"{record.methods[run.name]} {title_of(one.strategy)}"
            by_method.setdefault(title, []).append(kept_of(run, one, None, title))
            seen[title] = seen_of(one.method, title)
    kept = [kept_together(own, title) for title, own in by_method.items()]
    return Results(
        record.name,
        metrics[0].staging(staging.name),
        metrics,
        plans,
        {run.method: run.predictions for run in kept},
        folder.read_table(CURVES),
        folder.read_table(RESULTS),
        beside[EFFICIENCY],
        record.failures,
        record.flow,
        published=beside.get(PUBLISHED),
        counted=beside.get(COUNTED),
        common=beside.get(COMMON),
        budgets=beside.get(BUDGETS),
        paper=record.paper,
        kept=tuple(sorted(kept, key=lambda one: -len(seen[one.method].modalities))),
        seen=seen,
    )


def read_supervised(
    folder: StudyFolder,
    record: StudyRecord,
    runs: list[RunFolder],
    metrics: list[Metrics],
    plans: Sequence[Plan],
    staging: Staging,
) -> Results:
    """A study of supervised runs; the staging is the whole system, whatever cut a run learned."""
    found = (
        attribution_of(run, f"{record.methods[run.name]} {staging_of(plan, run.plan_file).task or ''}".strip())
        for run, plan in zip(runs, plans, strict=True)
    )
    tables = {name: folder.read_table(name) for name in (RESULTS, SCORES, COMPARISON, PICTURES, CUTOFFS)}
    reference = record.compare.reference or tables[RESULTS]["method"][0]
    shown = int(tables[SCORES]["seed"][0])
    kept = [
        kept_of(run, one, staging_of(plan, run.plan_file).task, record.methods[run.name])
        for run, one, plan in zip(runs, metrics, plans, strict=True)
        if one.seed == shown
    ]
    return Results(
        record.name,
        staging,
        metrics,
        plans,
        failures=record.failures,
        flow=record.flow,
        diagnosis=Diagnosis(reference, metrics[0].confidence, **tables),
        kept=tuple(sorted(kept, key=lambda one: one.method != reference)),
        attributions=tuple(one for one in found if one is not None),
        seen={
            record.methods[run.name]: seen_of(one.method, record.methods[run.name])
            for run, one in zip(runs, metrics, strict=True)
        },
    )


def strategies_shown(names: Iterable[str]) -> set[str]:
    """Whose last round is worth a ROC curve: all of a few, else one that had every label."""
    every = list(dict.fromkeys(names))
    return set(every) if len(every) <= MOST_SHOWN else {ALL} & set(every) or {every[0]}
