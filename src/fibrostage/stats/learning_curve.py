"""What more labels are expected to bring: a power law fitted to a learning curve, with the doubt that is in it.

The figure after n labels is taken to be top − b · n^(−c) (Hestness et al. 2017; Viering & Loog 2023). Every round's
model is asked about the same patients, so that the differences between rounds are known better than any figure itself;
that is kept by resampling patients with all of their answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrostage.ground.draws import Draws
from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.estimate import Estimate, undefined

POWERS = np.linspace(0.1, 2.0, 20)
ROUNDS = 4  # different numbers of labels that a curve takes


@dataclass(frozen=True)
class Forecast:
    """What so many more labels are expected to add to a figure."""

    more: int
    gain: Estimate


def forecast(
    labels: ArrayLike,
    right: ArrayLike,
    weights: ArrayLike,
    more: Sequence[int],
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> list[Forecast]:
    """Expects the gain in accuracy of `more` labels each, from rounds of `labels` [R] and whether each of n patients
    was called right in each round, `right` [n, R], with patients' `weights` [n].

    With fewer than four different numbers of labels, or fewer than two patients, gains are undefined and say why.
    Raises `StatisticsError` where shapes do not fit or labels are below 1.
    """
    counts, table = np.asarray(labels, dtype=np.float64), np.asarray(right, dtype=np.float64)
    own = np.asarray(weights, dtype=np.float64)
    if table.ndim != 2 or table.shape[1:] != counts.shape or own.shape != table.shape[:1]:
        raise StatisticsError(f"right must be [{len(own)}, {len(counts)}], got {table.shape}")
    if len(counts) and counts.min() < 1:
        raise StatisticsError(f"a round has one label or more, got {counts.min():g}")
    why = ""
    if len(np.unique(counts)) < ROUNDS:
        why = f"a curve takes {ROUNDS} rounds with different numbers of labels, there are {len(np.unique(counts))}"
    elif len(table) < 2:
        why = f"a curve takes two audited patients, there are {len(table)}"
    if why:
        return [Forecast(step, undefined(why)) for step in more]
    rng = Draws.FORECAST.of(seed)
    drawn = rng.multinomial(len(table), np.full(len(table), 1 / len(table)), size=resamples) * own
    curves = np.vstack([own @ table / own.sum(), (drawn @ table) / drawn.sum(axis=1, keepdims=True)])
    result, tail = [], (1 - confidence) / 2
    gains = expected_gains(counts, curves, np.array(more, dtype=np.float64))
    for step, found in zip(more, gains.T, strict=True):
        lo, hi = np.quantile(found[1:], [tail, 1 - tail])
        result.append(Forecast(step, Estimate(float(found[0]), float(min(lo, found[0])), float(max(hi, found[0])))))
    return result


def expected_gains(
    labels: NDArray[np.float64], curves: NDArray[np.float64], more: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Fits top − b · n^(−c) to each curve [B, R] over `labels` [R]; returns what `more` [m] labels add, [B, m].

    b is not negative: more labels do no harm. c is the best of a few.
    """
    last, best = labels.max(), np.full(len(curves), np.inf)
    gains = np.zeros((len(curves), len(more)))
    for power in POWERS:
        x = labels**-power
        spread = x - x.mean()
        slope = np.minimum((curves - curves.mean(axis=1, keepdims=True)) @ spread / (spread @ spread), 0.0)
        fitted = curves.mean(axis=1, keepdims=True) + slope[:, None] * spread
        error = ((curves - fitted) ** 2).sum(axis=1)
        gain = slope[:, None] * ((last + more) ** -power - last**-power)
        better = error < best - 1e-12
        best[better], gains[better] = error[better], gain[better]
    return gains
