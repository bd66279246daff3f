"""`bench stats`: our AUC intervals, tests and bootstrap beside those of `confidenceinterval` and `MLstatkit`.

Same arrays, one run, one thread each. Every row says how far the answers are apart, too: a fast wrong figure
is worth nothing. Bootstraps draw differently (ours within positives and negatives, theirs over all rows), so
their intervals agree only within resampling error.
"""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from fibrostage.bench.timing import machine, side_by_side
from fibrostage.ground.errors import RunError
from fibrostage.stats.auc import auc_interval, delong
from fibrostage.stats.macro import bootstrap_auc_interval

OTHERS = ("confidenceinterval", "MLstatkit")
Answer = tuple[float, ...]

# rows: (rounds, resamples)
SIZES = {400: (5, 1000), 100_000: (3, 20)}


def bench_stats(sizes: dict[int, tuple[int, int]] | None = None, seed: int = 0) -> dict[str, Any]:
    """The table that `fibrostage bench stats` shows."""
    theirs = others()
    rows = []
    with threadpool_limits(1), contextlib.redirect_stderr(io.StringIO()):
        for n, (rounds, resamples) in (sizes or SIZES).items():
            labels, first, second = drawn(n, seed)
            for task, ways in tasks(theirs, labels, first, second, resamples).items():
                rows += compared(task, n, rounds, resamples, ways)
    return {"machine": machine(), "versions": {name: version(name) for name in OTHERS}, "rows": rows}


def others() -> dict[str, Any]:
    """The other packages, by name; raises `RunError` where one is not installed."""
    try:
        return {name: importlib.import_module(name) for name in OTHERS}
    except ImportError as error:
        raise RunError(
            f"bench stats needs {error.name}, which is not installed: pip install MLstatkit; "
            "pip install --no-deps confidenceinterval"
        ) from None


def drawn(n: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Labels [n], three in ten positive, and two correlated scores [n] in [0, 1]."""
    rng = np.random.default_rng([seed, n])
    labels = (rng.random(n) < 0.3).astype(np.int64)
    shared = rng.normal(0, 1, n)
    first = labels + shared + rng.normal(0, 0.5, n)
    second = 0.8 * labels + shared + rng.normal(0, 0.5, n)
    return labels, 1 / (1 + np.exp(-first)), 1 / (1 + np.exp(-second))


def tasks(
    theirs: dict[str, Any],
    labels: NDArray[np.int64],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    resamples: int,
) -> dict[str, dict[str, Callable[[], Answer]]]:
    """Every task with its ways, ours first; each way answers with the figures that are compared.

    `labels` [n] are 0 or 1; `first` and `second` [n] are two scores of the same rows.
    """
    intervals, toolkit = (theirs[name] for name in OTHERS)
    made: dict[str, dict[str, Callable[[], Answer]]] = {
        "AUC with DeLong interval": {
            "fibrostage": lambda: interval_of(auc_interval(labels, first)),
            "confidenceinterval": lambda: flat(intervals.roc_auc_score(labels, first)),
        },
        "paired DeLong test": {
            "fibrostage": lambda: paired(labels, first, second),
            "MLstatkit": lambda: toolkit_paired(toolkit, labels, first, second),
        },
        "bootstrap, percentile": {
            "fibrostage": lambda: interval_of(bootstrap_auc_interval(labels, first, resamples, 0)),
            "confidenceinterval": lambda: flat(
                intervals.roc_auc_score(
                    labels, first, 0.95, "bootstrap_percentile", n_resamples=resamples, random_state=0
                )
            ),
            "MLstatkit": lambda: toolkit.Bootstrapping(labels, first, "roc_auc", resamples),
        },
    }
    if len(labels) <= 1000:  # their jackknife evaluates the metric n times
        made["bootstrap, BCa"] = {
            "fibrostage": lambda: interval_of(bootstrap_auc_interval(labels, first, resamples, 0, method="bca")),
            "confidenceinterval": lambda: flat(
                intervals.roc_auc_score(labels, first, 0.95, "bootstrap_bca", n_resamples=resamples, random_state=0)
            ),
        }
    return made


def interval_of(found: Any) -> Answer:
    return found.value, found.lo, found.hi


def flat(found: Any) -> Answer:
    value, (lo, hi) = found
    return float(value), float(np.squeeze(lo)), float(np.squeeze(hi))


def paired(labels: NDArray[np.int64], first: NDArray[np.float64], second: NDArray[np.float64]) -> Answer:
    """Our paired DeLong test of two scores [n] against labels [n] of 0 or 1: z, p, and either score's AUC.

    z has the sign of the second AUC minus the first.
    """
    areas = delong(labels, np.stack([first, second]))
    difference = areas.difference(1, 0)
    assert difference.z is not None
    assert difference.p is not None
    return difference.z, difference.p, float(areas.values[0]), float(areas.values[1])


def toolkit_paired(
    toolkit: Any, labels: NDArray[np.int64], first: NDArray[np.float64], second: NDArray[np.float64]
) -> Answer:
    """MLstatkit's paired DeLong test of two scores [n] against labels [n] of 0 or 1: z, p, and either score's AUC."""
    z, p, _, _, auc_a, auc_b, _ = toolkit.Delong_test(labels, first, second)
    return z, p, auc_a, auc_b


def compared(
    task: str, n: int, rounds: int, resamples: int, ways: dict[str, Callable[[], Answer]]
) -> list[dict[str, Any]]:
    """A row for each of the others: both times, the ratio, and the largest distance of the answers."""
    timings, answers = side_by_side(ways, rounds)
    ours = timings["fibrostage"]
    return [
        {
            "task": task,
            "n": n,
            "resamples": resamples if task.startswith("bootstrap") else None,
            "other": name,
            "ours_s": ours.median_wall,
            "other_s": timings[name].median_wall,
            "ratio": timings[name].median_wall / ours.median_wall,
            "apart": float(np.max(np.abs(np.subtract(answers[name], answers["fibrostage"])))),
            "rounds": rounds,
        }
        for name in ways
        if name != "fibrostage"
    ]
