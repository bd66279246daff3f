"""How far labels go: area under the learning curve, and what it takes to reach a share of the all-data AUC.

The all-data AUC of a method is that of its "all" runs (or where there are none, of the ends of its RAND runs), fold by
fold over seeds. What a run needs for 90, 95 or 100 % of it is read off the run's curve made rising by isotonic
regression, between its points in a straight line; a run that never gets there needs the whole pool, and `reached` says
how many got there. Every strategy is compared with RAND on the same folds and seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.integrate import trapezoid
from scipy.optimize import isotonic_regression

from fibrostage.plan import Plan
from fibrostage.stats.multiplicity import holm
from fibrostage.stats.resampled import resampled_mean

LEVELS = (90, 95, 100)
CURRENCIES = ("candidates", "images", "patients")
EARLY = 0.3  # of the pool: where labels are worth most
RANDOM, ALL = "random", "all"


def efficiency_table(curves: pl.DataFrame, metrics: Sequence[dict[str, Any]], plan: Plan) -> pl.DataFrame:
    """One row a (method, strategy): areas and needs with intervals, differences to RAND with p and Holm's p."""
    usable = curves.filter(pl.col("auc_macro").is_not_null())
    ratio = test_ratio(curves, plan)
    rows: list[dict[str, Any]] = []
    for (method,), group in usable.group_by("method", maintain_order=True):
        reference = all_data_auc(group)
        by_strategy = {
            str(strategy): runs_of(part, reference)
            for (strategy,), part in group.group_by("strategy", maintain_order=True)
            if strategy != ALL
        }
        made = [strategy_row(str(method), name, runs, by_strategy, ratio) for name, runs in by_strategy.items()]
        for row in made:
            row["all_data_auc"] = float(np.mean(list(reference.values()))) if reference else None
        rows += adjusted(made)
    if not rows:  # nothing but "all" was run
        return pl.DataFrame(schema={"method": pl.String, "strategy": pl.String, "simulated": pl.Boolean})
    table = pl.DataFrame(rows, infer_schema_length=None)
    return table.with_columns(simulated=pl.lit(any(m["simulated"] for m in metrics)))


def test_ratio(curves: pl.DataFrame, plan: Plan) -> float:
    """Test over training patients, from the split."""
    if plan.split.scheme == "holdout":
        return plan.split.test / (1 - plan.split.test)
    folds = plan.split.folds if plan.split.scheme == "kfold" else curves["fold"].n_unique()
    return 1 / max(1, folds - 1)


Runs = dict[tuple[str, int], dict[str, float]]  # by fold and seed


def all_data_auc(group: pl.DataFrame) -> dict[str, float]:
    """By fold, over seeds."""
    ends = group.filter(pl.col("strategy") == ALL)
    if not len(ends):
        ends = group.filter((pl.col("strategy") == RANDOM) & (pl.col("share") > 0.999))
    return {fold: float(value) for fold, value in ends.group_by("fold").agg(pl.col("auc_macro").mean()).iter_rows()}


def runs_of(part: pl.DataFrame, reference: dict[str, float]) -> Runs:
    """What every run of a strategy achieved."""
    result: Runs = {}
    for (fold, seed), run in part.group_by("fold", "seed", maintain_order=True):
        ordered = run.sort("round")
        share, auc = ordered["share"].to_numpy(), ordered["auc_macro"].to_numpy()
        values = {"aulc": area(share, auc, 1.0), "aulc_early": area(share, auc, EARLY)}
        if str(fold) in reference:
            for level in LEVELS:
                target = level / 100 * reference[str(fold)]
                reached = crossing(rising(auc), target)
                values[f"reached_{level}"] = float(reached is not None)
                at = float(len(auc) - 1) if reached is None else reached
                for currency in (*CURRENCIES, "share"):
                    spent = ordered[currency].to_numpy().astype(np.float64)
                    values[f"needed_{level}_{currency}"] = float(np.interp(at, np.arange(len(spent)), spent))
        result[str(fold), int(seed)] = values
    return result


def area(share: NDArray[np.float64], auc: NDArray[np.float64], end: float) -> float:
    """Mean AUC along the curve from its beginning to a share, by trapezoids."""
    end = min(end, float(share[-1]))
    if len(share) < 2 or end <= share[0]:
        return float(auc[0])
    inside = share < end
    x = np.append(share[inside], end)
    y = np.append(auc[inside], np.interp(end, share, auc))
    return float(trapezoid(y, x) / (x[-1] - x[0]))


def rising(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest curve that never falls: pool-adjacent-violators."""
    return np.asarray(isotonic_regression(values).x)


def crossing(values: NDArray[np.float64], target: float) -> float | None:
    """Where a rising curve reaches a target, in rounds and parts of a round; None when it does not."""
    above = np.flatnonzero(values >= target - 1e-12)
    if not len(above):
        return None
    first = int(above[0])
    if first == 0:
        return 0.0
    low, high = values[first - 1], values[first]
    return first - 1 + float((target - low) / (high - low))


def strategy_row(method: str, name: str, runs: Runs, every: dict[str, Runs], ratio: float) -> dict[str, Any]:
    row: dict[str, Any] = {"method": method, "strategy": name, "runs": len(runs)}
    baseline = every.get(RANDOM, {})
    common = [key for key in runs if key in baseline]
    for figure in next(iter(runs.values())):
        known = [values[figure] for values in runs.values() if figure in values]
        if figure.startswith("reached"):
            row[figure] = float(np.mean(known))
            continue
        mean, _ = resampled_mean(known, ratio)
        row |= {figure: mean.value, f"{figure}_lo": mean.lo, f"{figure}_hi": mean.hi}
        if name != RANDOM and common and figure in runs[common[0]]:
            difference, p = resampled_mean([runs[key][figure] - baseline[key][figure] for key in common], ratio)
            row |= {
                f"{figure}_vs_random": difference.value,
                f"{figure}_vs_random_lo": difference.lo,
                f"{figure}_vs_random_hi": difference.hi,
                f"{figure}_vs_random_p": p,
            }
    return row


def adjusted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Adds Holm's p over the strategies of a method, figure by figure."""
    names = {key for row in rows for key in row if key.endswith("_vs_random_p")}
    for name in sorted(names):
        tested = [row for row in rows if row.get(name) is not None]
        for row, p in zip(tested, holm([row[name] for row in tested]), strict=True):
            row[f"{name}_holm"] = float(p)
    return rows
