"""The figures of one evaluation: per patient, each with n and an interval.

The stage called is the most probable, or what a rule calls; the score at a cut is the probability of the stages at or
above it. Whether stages are called rightly (accuracy, weighted kappa, the share within one stage, recall of each stage)
and whether probabilities mean what they say (log loss, Brier score, calibration at each cut) stand beside the AUC,
which sees neither.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrostage.ground.errors import StatisticsError
from fibrostage.ground.files import Json
from fibrostage.ground.stage import Staging
from fibrostage.stats.agreement import confusion, kappa
from fibrostage.stats.auc import auc_or_why
from fibrostage.stats.calibration import intercept_of, slope_of
from fibrostage.stats.estimate import Estimate, quantile, undefined, wilson
from fibrostage.stats.macro import macro_auc_interval
from fibrostage.stats.poolings import PAIR_MEAN, POOLINGS

LEAST = 1e-6  # of a probability, before its logarithm
FEWEST = 5  # patients on either side of a cut, for a calibration


@dataclass(frozen=True)
class CutCalibration:
    """Calibration in the large and slope of the probabilities at a cut: 0 and 1 where they mean what they say."""

    intercept: Estimate
    slope: Estimate

    def as_dict(self) -> dict[str, Json]:
        return {"intercept": self.intercept.as_dict(), "slope": self.slope.as_dict()}


@dataclass(frozen=True)
class Evaluation:
    """What a set of test patients says of a method. `confusion[i, j]`: true stage i called j.

    `kappa` is weighted by squared distance, `brier` the sum of squared errors over stages (0–2), `calibration` has
    intercept and slope at each cut.
    """

    staging: Staging
    n_patients: int
    accuracy: Estimate
    auc_macro: Estimate
    auc_at_cut: dict[str, Estimate]
    confusion: NDArray[np.int64]
    kappa: Estimate
    within_one: Estimate
    recall: dict[str, Estimate]
    log_loss: Estimate
    brier: Estimate
    calibration: dict[str, CutCalibration]

    def as_dict(self) -> dict[str, Json]:
        classes = self.staging.classes
        return {
            "n_patients": self.n_patients,
            "classes": list(classes),
            "n_by_stage": dict(zip(classes, self.confusion.sum(axis=1).tolist(), strict=True)),
            "accuracy": self.accuracy.as_dict(),
            "auc_macro": self.auc_macro.as_dict(),
            "auc_at_cut": {cut: figure.as_dict() for cut, figure in self.auc_at_cut.items()},
            "confusion": self.confusion.tolist(),
            "kappa": self.kappa.as_dict(),
            "within_one": self.within_one.as_dict(),
            "recall": {name: figure.as_dict() for name, figure in self.recall.items()},
            "log_loss": self.log_loss.as_dict(),
            "brier": self.brier.as_dict(),
            "calibration": {cut: figures.as_dict() for cut, figures in self.calibration.items()},
        }


def per_patient(patients: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Averages the probabilities [n, K] of candidates over each patient, whom `patients` [n] names.

    Returns the patients in ascending order [P] and their probabilities [P, K].
    """
    return POOLINGS[PAIR_MEAN](patients, probabilities)


def cut_score(probabilities: ArrayLike, threshold: int) -> NDArray[np.float64]:
    """Returns P(stage ≥ threshold) [n] from probabilities [n, K]; `threshold` is a stage index."""
    return np.asarray(np.asarray(probabilities, dtype=np.float64)[:, threshold:].sum(axis=1))


def evaluate(
    stages: ArrayLike,
    probabilities: ArrayLike,
    staging: Staging,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    called: ArrayLike | None = None,
) -> Evaluation:
    """Computes all figures of patients with true stages [n], as indices 0 … K−1, and probabilities [n, K]. `called` [n]
    are the stages called, the most probable ones where it is None.

    A figure that the patients do not define (no positive at a cut, say) is None with the reason. Raises
    `StatisticsError` where there are no patients, one is unlabelled or of a stage outside 0 … K−1, or `probabilities`
    has another shape or is not finite.
    """
    truth = np.asarray(stages, dtype=np.int64)
    table = np.asarray(probabilities, dtype=np.float64)
    classes = len(staging.classes)
    if table.shape != (len(truth), classes):
        raise StatisticsError(f"probabilities must be [{len(truth)}, {classes}], got {table.shape}")
    if not len(truth) or truth.min() < 0:
        raise StatisticsError("an evaluation needs patients, and every one of them labelled")
    if not np.isfinite(table).all():
        raise StatisticsError("probabilities are not finite")
    said = np.asarray(table.argmax(axis=1) if called is None else called, dtype=np.int64)
    try:
        macro = macro_auc_interval(truth, table, resamples, seed, confidence)
        absent = [name for k, name in enumerate(staging.classes) if not (truth == k).any()]
        if absent:
            reason = f"over the stages present; no patient is {', '.join(absent)}"
            macro = replace(macro, why="; ".join(filter(None, (reason, macro.why))))
    except StatisticsError as error:
        macro = undefined(str(error))
    at_cut = {}
    for cut in staging.cuts:
        threshold = staging.threshold(cut)
        at_cut[cut] = auc_or_why(truth >= threshold, cut_score(table, threshold), confidence)
    counts, n = confusion(truth, said, classes), len(truth)
    accuracy = wilson(int((said == truth).sum()), n, confidence)
    near = wilson(int((np.abs(said - truth) <= 1).sum()), n, confidence)
    recall = {
        name: wilson(int(counts[k, k]), int(counts[k].sum()), confidence)
        if counts[k].any()
        else undefined(f"no patient is {name}")
        for k, name in enumerate(staging.classes)
    }
    agreement = kappa_or_why(counts, confidence)
    losses = -np.log(np.maximum(table[np.arange(n), truth], LEAST))
    squares = ((table - np.eye(classes)[truth]) ** 2).sum(axis=1)
    calibration = {
        cut: cut_calibration(truth >= staging.threshold(cut), cut_score(table, staging.threshold(cut)), confidence)
        for cut in staging.cuts
    }
    return Evaluation(
        staging, n, accuracy, macro, at_cut, counts, agreement, near, recall,
        mean_of(losses, confidence), mean_of(squares, confidence), calibration,
    )  # fmt: skip


def kappa_or_why(counts: NDArray[np.int64], confidence: float) -> Estimate:
    """Kappa weighted by squared distance of stages counted [K, K]; undefined, with the reason, where it cannot be
    had."""
    try:
        return kappa(counts, "quadratic", confidence)
    except StatisticsError as error:
        return undefined(str(error))


def mean_of(values: NDArray[np.float64], confidence: float) -> Estimate:
    """The mean of one loss a patient [n], 0 or more, with a normal interval; none for a lone patient."""
    value = float(values.mean())
    if len(values) < 2:
        return Estimate(value, None, None, "one patient has no interval")
    half = quantile(confidence) * float(values.std(ddof=1)) / math.sqrt(len(values))
    return Estimate(value, max(0.0, value - half), value + half)


def cut_calibration(positive: NDArray[np.bool_], score: NDArray[np.float64], confidence: float) -> CutCalibration:
    """Intercept and slope of who is at or above a cut [n] on the probabilities of it [n]; undefined, with the reason,
    where patients are too few or the probabilities too extreme."""
    positives = int(positive.sum())
    if min(positives, len(positive) - positives) < FEWEST:
        none = undefined(f"{positives} of {len(positive)} patients are at or above the cut, too few for a calibration")
        return CutCalibration(none, none)
    inside, y = np.clip(score, LEAST, 1 - LEAST), positive.astype(np.float64)
    logits = np.log(inside) - np.log1p(-inside)
    try:
        return CutCalibration(intercept_of(y, logits, confidence), slope_of(y, logits, confidence))
    except StatisticsError as error:
        return CutCalibration(undefined(str(error)), undefined(str(error)))
