"""Probabilities that mean what they say: a map a cut, fitted to predictions for patients the model had not seen.

A network that is held back until it generalises is too timid (calibration slopes of 2 to 4 at the cuts), and one number
for all stages (a temperature) does not mend it. So each cut k has a map of its own: P(stage ≥ k) goes through a
logistic regression on its logit (Platt 1999), or, where there are many patients, through isotonic regression (Zadrozny
and Elkan 2002). The maps are made to fall from cut to cut, and a stage's probability is what lies between two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrostage.ground.errors import StatisticsError
from fibrostage.ground.files import Json

FEWEST = 5  # patients below a cut, and as many at or above it, to have a map of its own
MANY = 500  # patients on either side of each cut, for isotonic maps
HELD = 1.5  # how strongly a slope is held at 1, and a tenth of that an intercept at 0: as one patient's doubt would
LEAST_SLOPE = 0.05  # a map never turns the order round
FLOOR = 1e-4  # of a stage's probability: two cuts that meet do not make the stage between them impossible
EDGE = 1e-6  # of a probability, before its logit


@dataclass(frozen=True)
class LogisticMap:
    """logit P = intercept + slope · logit p."""

    intercept: float = 0.0
    slope: float = 1.0

    def __call__(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Maps probabilities [n]."""
        return np.asarray(1 / (1 + np.exp(-(self.intercept + self.slope * logit(p)))))

    def as_dict(self) -> dict[str, Json]:
        """What JSON holds."""
        return {"intercept": self.intercept, "slope": self.slope}


@dataclass(frozen=True)
class StepMap:
    """P by interpolation between the probabilities `at` [m], ascending, and what they become, `to` [m]."""

    at: tuple[float, ...]
    to: tuple[float, ...]

    def __call__(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Maps probabilities [n]."""
        return np.asarray(np.interp(p, self.at, self.to))

    def as_dict(self) -> dict[str, Json]:
        """What JSON holds."""
        return {"at": list(self.at), "to": list(self.to)}


CutMap = LogisticMap | StepMap
Mapped = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Recalibration:
    """A map for each of the K − 1 cuts between K stages; `n` patients were it fitted on."""

    cuts: tuple[CutMap, ...]
    n: int

    def __call__(self, probabilities: ArrayLike) -> NDArray[np.float64]:
        """Recalibrated probabilities [n, K] of probabilities [n, K]; raises `StatisticsError` for another number of
        stages."""
        table = np.asarray(probabilities, dtype=np.float64)
        if table.ndim != 2 or table.shape[1] != len(self.cuts) + 1:
            raise StatisticsError(f"probabilities must be [n, {len(self.cuts) + 1}], got {table.shape}")
        above = at_or_above(table)
        mapped = np.stack([one(above[:, k]) for k, one in enumerate(self.cuts)], axis=1)
        falling = np.minimum.accumulate(mapped, axis=1)
        ends = np.ones((len(table), 1)), np.zeros((len(table), 1))
        whole = np.concatenate([ends[0], falling, ends[1]], axis=1)
        between = np.maximum(whole[:, :-1] - whole[:, 1:], FLOOR)
        return np.asarray(between / between.sum(axis=1, keepdims=True))

    def as_dict(self) -> dict[str, Json]:
        """What JSON holds."""
        return {"n": self.n, "cuts": [one.as_dict() for one in self.cuts]}


def recalibration_from(content: Mapping[str, Json]) -> Recalibration:
    """The recalibration that JSON holds; raises `StatisticsError` where it holds none."""
    try:
        cuts = [map_from(each) for each in content["cuts"]]  # type: ignore[union-attr]
        return Recalibration(tuple(cuts), int(content["n"]))  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError) as error:
        raise StatisticsError(f"no recalibration: {error}") from None


def mapped_by_others(
    values: NDArray[np.float64], parts: ArrayLike, fit: Callable[[NDArray[np.bool_]], Mapped]
) -> NDArray[np.float64]:
    """Values [n] or [n, K], each part's through the map that `fit` makes of the patients of all others, which are
    marked [n]; where there is but one part, of its own patients. A map that was fitted to a patient tells too well of
    the patient."""
    own, result = np.asarray(parts), np.empty_like(values)
    for part in np.unique(own):
        inside = own == part
        result[inside] = fit(inside if inside.all() else ~inside)(values[inside])
    return result


def map_from(content: Json) -> CutMap:
    """The map of a cut that JSON holds."""
    if not isinstance(content, Mapping):
        raise TypeError("a cut's map is no object")
    if "slope" in content:
        return LogisticMap(float(content["intercept"]), float(content["slope"]))  # type: ignore[arg-type]
    at, to = (tuple(float(value) for value in content[key]) for key in ("at", "to"))  # type: ignore[union-attr,arg-type]
    return StepMap(at, to)


def recalibrate(stages: ArrayLike, probabilities: ArrayLike, kind: str = "auto") -> Recalibration:
    """Fits the maps to true stages [n], as indices 0 … K − 1, and probabilities [n, K] of patients whom the model had
    not seen.

    `kind` is "platt", "isotonic", or "auto": isotonic with at least `MANY` patients on either side of every cut. A cut
    with fewer than `FEWEST` on a side keeps its probabilities. Raises `StatisticsError` for another kind, no patients,
    other shapes, or probabilities that are not finite.
    """
    truth, table = np.asarray(stages, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    if kind not in ("auto", "platt", "isotonic"):
        raise StatisticsError(f"a recalibration is auto, platt or isotonic, not {kind!r}")
    if not len(truth) or table.ndim != 2 or len(table) != len(truth) or not np.isfinite(table).all():
        raise StatisticsError(f"a recalibration needs stages [n] and probabilities [n, K], got {table.shape}")
    sides = [np.bincount((truth > k).astype(np.int64), minlength=2).min() for k in range(table.shape[1] - 1)]
    fit = fit_steps if kind == "isotonic" or (kind == "auto" and min(sides) >= MANY) else fit_logistic
    above = at_or_above(table)
    cuts = [
        fit((truth > k).astype(np.float64), above[:, k]) if side >= FEWEST else LogisticMap()
        for k, side in enumerate(sides)
    ]
    return Recalibration(tuple(cuts), len(truth))


def fit_logistic(y: NDArray[np.float64], p: NDArray[np.float64]) -> LogisticMap:
    """Fits intercept and slope to labels `y` [n] of 0 and 1 and probabilities `p` [n], by Newton's method; both are
    held near 0 and 1, so that the fit exists and is finite whatever the labels are."""
    x = logit(p)
    design, prior, held = np.stack([np.ones_like(x), x], axis=1), np.array([0.0, 1.0]), np.array([HELD / 10, HELD])
    beta = prior.copy()

    def loss(at: NDArray[np.float64]) -> float:
        eta = design @ at
        return float(np.sum(np.logaddexp(0, eta) - y * eta) + held @ (at - prior) ** 2 / 2)

    for _ in range(100):
        q = 1 / (1 + np.exp(-(design @ beta)))
        information = design.T @ (design * (q * (1 - q))[:, None]) + np.diag(held)
        step = np.linalg.solve(information, design.T @ (y - q) - held * (beta - prior))
        size = 1.0
        while loss(beta + size * step) > loss(beta) and size > 1e-10:
            size /= 2
        beta = beta + size * step
        if np.abs(size * step).max() < 1e-10:
            break
    return LogisticMap(float(beta[0]), max(LEAST_SLOPE, float(beta[1])))


def fit_steps(y: NDArray[np.float64], p: NDArray[np.float64]) -> StepMap:
    """Fits a rising curve to labels `y` [n] of 0 and 1 and probabilities `p` [n], by pooling adjacent violators."""
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0.0, y_max=1.0).fit(p, y)
    return StepMap(tuple(map(float, fitted.X_thresholds_)), tuple(map(float, fitted.y_thresholds_)))


def at_or_above(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(stage ≥ k) for k = 1 … K − 1, [n, K − 1], of probabilities [n, K]."""
    return np.cumsum(table[:, ::-1], axis=1)[:, ::-1][:, 1:]


def logit(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logits [n] of probabilities [n], those beyond EDGE of 0 and 1 brought to it."""
    inside = np.clip(p, EDGE, 1 - EDGE)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def mean_log_loss(stages: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean of −log of the probability given to each patient's true stage: stages [n], probabilities [n, K]."""
    truth, table = np.asarray(stages, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    return float(-np.log(np.maximum(table[np.arange(len(truth)), truth], EDGE)).mean())


def youden_thresholds(stages: ArrayLike, probabilities: ArrayLike) -> tuple[float, ...]:
    """For each of the K − 1 cuts the probability at or above which most is gained (sensitivity + specificity − 1,
    Youden 1950), of true stages [n] and probabilities [n, K]; .5 where one side of a cut has no patient."""
    truth, above = np.asarray(stages, dtype=np.int64), at_or_above(np.asarray(probabilities, dtype=np.float64))
    return tuple(youden(truth > k, above[:, k]) for k in range(above.shape[1]))


def youden(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """The threshold half-way between two scores [n] at which sensitivity + specificity is largest for `positive`
    [n]."""
    if positive.all() or not positive.any():
        return 0.5
    levels = np.unique(score)
    between: Sequence[float] = [*(levels[1:] + levels[:-1]) / 2] or [0.5]
    gained = [(score[positive] >= t).mean() + (score[~positive] < t).mean() for t in between]
    return float(between[int(np.argmax(gained))])
