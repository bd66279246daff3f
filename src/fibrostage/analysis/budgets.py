"""What a strategy reaches at each budget, beside RAND, told by the patients who tested every round.

The corrected resampled t-test (`label_efficiency`) takes divisions for a sample of all divisions and allows for what
they share, at the price of power: with five folds it can hardly find a difference of .02. Here the patients are what
is sampled, with the starts (`stats.curve_difference`): it asks whether a strategy is better for new patients when one
learns from these, and is much the sharper of the two. Both are told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.analysis.common_patients import AskedRun
from fibrostage.analysis.label_efficiency import ALL, EARLY, RANDOM, area, common_range
from fibrostage.ground.stage import Staging
from fibrostage.results.estimate_columns import Figure, TableRow, Versus, figure_cells, with_holm
from fibrostage.results.run_folder import read_parquet
from fibrostage.stats.curve_difference import PatientPairs, ToldCurve, pairs_of, resampled

BUDGETS = (10, 20, 30, 50, 100)  # per cent of the pool
AT_SHARE = "auc_at_share_"
Weights = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class TestedRun:
    """A run's rounds: their `share` [R] of the pool, and what each says of n `patients` with `stages` [n]:
    `probabilities` [R, n, K]."""

    strategy: str
    fold: str
    seed: int
    share: NDArray[np.float64]
    patients: tuple[str, ...]
    stages: NDArray[np.int64]
    probabilities: NDArray[np.float64]


Runs = Mapping[str, Mapping[int, TestedRun]]  # by fold and seed


def budgets_table(
    runs: Sequence[AskedRun], staging: Staging, simulated: bool, resamples: int, confidence: float = 0.95
) -> pl.DataFrame:
    """A row a method and strategy: average AUC at each budget, areas under the curve, and of each the difference to
    RAND from the same starts, with percentile interval, p and Holm's p over the method's strategies.

    A method is left out of whose runs some did not keep their rounds, or where seeds divide the patients differently.
    """
    rows: list[TableRow] = []
    for method in dict.fromkeys(run.method for run in runs):
        own = [run for run in runs if run.method == method and run.strategy != ALL]
        tested = [tested_run(run, staging) for run in own]
        known = [one for one in tested if one is not None]
        if known and len(known) == len(own) and same_patients(known):
            rows += method_rows(method, known, resamples, confidence)
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(simulated=pl.lit(simulated))


def tested_run(run: AskedRun, staging: Staging) -> TestedRun | None:
    """What a run kept of its rounds; None where it kept none or not all of them, or has no AUC in one of them."""
    file = run.folder.round_predictions_file
    if not file.is_file():
        return None
    said, curve = read_parquet(file).sort("round", "patient_id"), read_parquet(run.folder.curve_file).sort("round")
    rounds = said["round"].unique(maintain_order=True).to_list()
    if rounds != curve["round"].to_list() or curve["auc_macro"].null_count():
        return None
    first = said.filter(pl.col("round") == rounds[0])
    patients = tuple(first["patient_id"].to_list())
    table = said.select(f"p_{k}" for k in range(len(staging.classes))).to_numpy()
    stages = [staging.classes.index(stage) for stage in first["stage"]]
    shape = (len(rounds), len(patients), len(staging.classes))
    if table.size != np.prod(shape):
        return None
    share = curve["share"].to_numpy().astype(np.float64)
    fold, seed = str(curve["fold"][0]), int(curve["seed"][0])
    return TestedRun(run.strategy, fold, seed, share, patients, np.array(stages, dtype=np.int64), table.reshape(shape))


def same_patients(runs: Sequence[TestedRun]) -> bool:
    """Whether all runs of a fold test the same patients, and nobody tests in two folds."""
    by_fold: dict[str, set[tuple[str, ...]]] = {}
    for run in runs:
        by_fold.setdefault(run.fold, set()).add(run.patients)
    everybody = [patient for found in by_fold.values() for patients in found for patient in patients]
    return len(everybody) == len(set(everybody))


def method_rows(method: str, runs: Sequence[TestedRun], resamples: int, confidence: float) -> list[TableRow]:
    """The rows of one method, RAND's among them."""
    asked = figures_asked(runs)
    by_strategy: dict[str, dict[str, dict[int, TestedRun]]] = {}
    for run in runs:
        by_strategy.setdefault(run.strategy, {}).setdefault(run.fold, {})[run.seed] = run
    baseline = by_strategy.get(RANDOM, {})
    found = {key: figures_of(own, {}, asked, resamples, confidence) for key, own in by_strategy.items()}
    for key, own in by_strategy.items():
        if key != RANDOM and baseline:
            beside = figures_of(own, baseline, asked, resamples, confidence)
            for name, figure in beside.items():
                found[key][name] = Figure(found[key][name].estimate, figure.versus)
    rows = []
    for (key, own), figures in zip(by_strategy.items(), with_holm(list(found.values())), strict=True):
        row: TableRow = {
            "method": method,
            "strategy": key,
            "runs": sum(len(seeds) for seeds in own.values()),
            "starts": min(len(seeds) for seeds in own.values()),
            "n_patients": sum(len(next(iter(seeds.values())).patients) for seeds in own.values()),
        }
        for name, figure in figures.items():
            row |= figure_cells(name, figure, RANDOM)
        rows.append(row)
    return rows


def figures_asked(runs: Sequence[TestedRun]) -> dict[str, Weights]:
    """By name, with what weights [R] a figure adds up the AUCs of rounds at shares [R] of the pool: areas over what all
    curves cover, and the AUC at each budget that they reach."""
    spans = [
        pl.DataFrame({"strategy": run.strategy, "fold": run.fold, "seed": run.seed, "share": run.share}) for run in runs
    ]
    low, high = common_range(pl.concat(spans))

    def over(most: float) -> Weights:
        return lambda share: np.array([area(share, one, low, most) for one in np.eye(len(share))])

    def at(budget: float) -> Weights:
        return lambda share: np.array([np.interp(budget, share, one) for one in np.eye(len(share))])

    found = {"aulc": over(high), "aulc_early": over(min(high, max(low, EARLY)))}
    within = [budget for budget in BUDGETS if low - 0.01 <= budget / 100 <= high + 0.01]
    return found | {f"{AT_SHARE}{budget}": at(budget / 100) for budget in within}


def figures_of(
    own: Runs, baseline: Runs, asked: Mapping[str, Weights], resamples: int, confidence: float
) -> dict[str, Figure]:
    """A strategy's figures; with a `baseline`, their differences to it on the folds and starts that both have."""
    divisions: list[PatientPairs] = []
    for fold, runs in own.items():
        seeds = sorted(runs.keys() & baseline.get(fold, {}).keys()) if baseline else sorted(runs)
        if seeds:
            pairs = pairs_over([runs[seed] for seed in seeds], asked)
            divisions.append(
                pairs.minus(pairs_over([baseline[fold][seed] for seed in seeds], asked)) if baseline else pairs
            )
    if not divisions:
        return {}
    drawn = resampled(divisions, resamples, 0)
    result = {}
    for name, one in zip(asked, drawn, strict=True):
        estimate = one.estimate(confidence)
        result[name] = Figure(estimate, Versus(estimate, one.p) if baseline else None)
    return result


def pairs_over(runs: Sequence[TestedRun], asked: Mapping[str, Weights]) -> PatientPairs:
    """The pairs of a fold's patients, told by one strategy's runs."""
    curves = [ToldCurve(run.probabilities, np.array([weigh(run.share) for weigh in asked.values()])) for run in runs]
    return pairs_of(runs[0].stages, curves)
