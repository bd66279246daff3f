"""How far labels go: area under the learning curve, and what it takes to reach a share of the all-data AUC.

The all-data AUC of a method is that of its "all" runs (or where there are none, of RAND's with every label), division
by division of the patients. What a run needs for 90, 95 or 100 % of it is read off the run's curve made rising by
isotonic regression, between its points in a straight line; a run that never gets there needs the whole pool, and
`reached` says how many got there. Every strategy is compared with RAND on the same folds and seeds.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.integrate import trapezoid
from scipy.optimize import isotonic_regression

from fibrostage.analysis.over_runs import against
from fibrostage.results.estimate_columns import Figure, TableRow, figure_cells, with_holm
from fibrostage.stats.resampled import resampled_share

LEVELS = (90, 95, 100)
CURRENCIES = ("candidates", "images", "patients")
EARLY = 0.3  # of the pool: where labels are worth most
RANDOM, ALL = "random", "all"


def efficiency_table(
    curves: pl.DataFrame, ratios: Mapping[str, float], shared: Mapping[str, bool], simulated: bool
) -> pl.DataFrame:
    """One row a (method, strategy): areas and needs with intervals, differences to RAND with p and Holm's p.

    By method, `ratios` are test over training patients, and `shared` says whether a fold is the same patients
    whatever the seed (else each seed has a reference of its own).
    """
    usable = curves.filter(pl.col("auc_macro").is_not_null())
    rows: list[TableRow] = []
    for (method,), group in usable.group_by("method", maintain_order=True):
        name = str(method)
        whole = whole_pools(group, shared[name])
        along = group.filter(pl.col("strategy") != ALL)
        if not len(along):
            continue
        ends = common_range(along)
        by_strategy = {
            str(strategy): runs_of(part, whole, shared[name], ends)
            for (strategy,), part in along.group_by("strategy", maintain_order=True)
        }
        whole_auc = float(np.mean([pool["auc_macro"] for pool in whole.values()])) if whole else None
        most = dearest(group)
        figures = {key: figures_of(key, runs, by_strategy, ratios[name], most) for key, runs in by_strategy.items()}
        for (key, runs), own in zip(by_strategy.items(), with_holm(list(figures.values())), strict=True):
            row: TableRow = {"method": name, "strategy": key, "runs": len(runs)}
            row |= reached_shares(runs)
            for figure, value in own.items():
                row |= figure_cells(figure, value, RANDOM)
            rows.append(row | {"all_data_auc": whole_auc})
    if not rows:  # nothing but "all" was run
        return pl.DataFrame(schema={"method": pl.String, "strategy": pl.String, "simulated": pl.Boolean})
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(simulated=pl.lit(simulated))


Runs = dict[tuple[str, int], dict[str, float]]  # by fold and seed
Key = tuple[str, int | None]  # a division of the patients: fold, and seed where seeds divide differently


def whole_pools(group: pl.DataFrame, shared: bool) -> dict[Key, dict[str, float]]:
    """By division: AUC with every label, and what every label costs."""
    ends = group.filter(pl.col("strategy") == ALL)
    if not len(ends):
        ends = group.filter((pl.col("strategy") == RANDOM) & (pl.col("share") > 0.999))
    if shared:
        ends = ends.with_columns(seed=pl.lit(None, dtype=pl.Int64))
    figures = ["auc_macro", *CURRENCIES]
    table = ends.group_by("fold", "seed").agg(pl.col(name).mean() for name in figures)
    return {
        (row["fold"], row["seed"]): {name: float(row[name]) for name in figures} | {"share": 1.0}
        for row in table.iter_rows(named=True)
    }


def common_range(along: pl.DataFrame) -> tuple[float, float]:
    """The shares of the pool that every curve covers: areas over less than that are not comparable."""
    spans = along.group_by("strategy", "fold", "seed").agg(low=pl.col("share").min(), high=pl.col("share").max())
    return float(spans["low"].to_numpy().max()), float(spans["high"].to_numpy().min())


def runs_of(part: pl.DataFrame, whole: dict[Key, dict[str, float]], shared: bool, ends: tuple[float, float]) -> Runs:
    """What every run of a strategy achieved."""
    result: Runs = {}
    low, high = ends
    for (fold, seed), run in part.group_by("fold", "seed", maintain_order=True):
        ordered = run.sort("round")
        share, auc = ordered["share"].to_numpy(), ordered["auc_macro"].to_numpy()
        values = {"aulc": area(share, auc, low, high), "aulc_early": area(share, auc, low, min(high, max(low, EARLY)))}
        pool = whole.get((str(fold), None if shared else int(seed)))
        for level in LEVELS if pool is not None else ():
            assert pool is not None
            reached = crossing(rising(auc), level / 100 * pool["auc_macro"])
            values[f"reached_{level}"] = float(reached is not None)
            for currency in (*CURRENCIES, "share"):
                spent = ordered[currency].to_numpy().astype(np.float64)
                needed = pool[currency] if reached is None else np.interp(reached, np.arange(len(spent)), spent)
                values[f"needed_{level}_{currency}"] = float(needed)
        result[str(fold), int(seed)] = values
    return result


def area(share: NDArray[np.float64], auc: NDArray[np.float64], low: float, high: float) -> float:
    """Computes the mean AUC along a curve between two shares of the pool that it covers, by trapezoids.

    `share` [r] rises from round to round, and `auc` [r] is the AUC at each; where `low` is not below `high`, the AUC at
    `low` is returned.
    """
    if high <= low:
        return float(np.interp(low, share, auc))
    inside = (share > low) & (share < high)
    x = np.concatenate([[low], share[inside], [high]])
    y = np.interp(x, share, auc)
    return float(trapezoid(y, x) / (high - low))


def rising(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the curve [r] nearest to `values` [r] by squares that never falls: pool-adjacent-violators."""
    return np.asarray(isotonic_regression(values).x)


def crossing(values: NDArray[np.float64], target: float) -> float | None:
    """Finds where a rising curve `values` [r] reaches a target, in rounds and parts of one; None where it does not."""
    above = np.flatnonzero(values >= target - 1e-12)
    if not len(above):
        return None
    first = int(above[0])
    if first == 0:
        return 0.0
    low, high = values[first - 1], values[first]
    return first - 1 + float((target - low) / (high - low))


def reached_shares(runs: Runs) -> TableRow:
    """The share of runs that ever reach each level of the all-data AUC."""
    names = [f"reached_{level}" for level in LEVELS]
    known = {name: [values[name] for values in runs.values() if name in values] for name in names}
    return {name: float(np.mean(values)) for name, values in known.items() if values}


def dearest(curves: pl.DataFrame) -> dict[str, float]:
    """What no run can need more of than the largest pool holds: candidates, images and patients."""
    return {currency: float(curves[currency].to_numpy().max()) for currency in CURRENCIES}


def figures_of(
    name: str, runs: Runs, every: dict[str, Runs], ratio: float, most: Mapping[str, float]
) -> dict[str, Figure]:
    """A strategy's areas and needs over its runs, each beside RAND's on the same folds and seeds; `most` of each
    currency bounds what can be needed."""
    result, baseline = {}, every.get(RANDOM, {})
    for figure in dict.fromkeys(figure for values in runs.values() for figure in values):
        if figure.startswith("reached"):
            continue
        known = [values[figure] for values in runs.values() if figure in values]
        mean = resampled_share(known, ratio, most.get(figure.rpartition("_")[2], 1.0))
        result[figure] = Figure(mean, None if name == RANDOM else against(runs, baseline, figure, ratio))
    return result
