"""The figures of one evaluation: per patient, each with n and an interval.

A patient's probabilities are the mean over the patient's candidates; the stage called is the most probable;
the score at a cut is the probability of the stages at or above it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrostage.ground.errors import StatisticsError
from fibrostage.ground.files import Json
from fibrostage.ground.stage import Staging
from fibrostage.stats.agreement import confusion
from fibrostage.stats.auc import auc_or_why
from fibrostage.stats.estimate import Estimate, undefined, wilson
from fibrostage.stats.macro import macro_auc_interval
from fibrostage.stats.poolings import PAIR_MEAN, POOLINGS


@dataclass(frozen=True)
class Evaluation:
    """What a set of test patients says of a method. `confusion[i, j]`: true stage i called j."""

    staging: Staging
    n_patients: int
    accuracy: Estimate
    auc_macro: Estimate
    auc_at_cut: dict[str, Estimate]
    confusion: NDArray[np.int64]

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
) -> Evaluation:
    """Computes all figures of patients with true stages [n], as indices 0 … K−1, and probabilities [n, K].

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
    called = table.argmax(axis=1)
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
    accuracy = wilson(int((called == truth).sum()), len(truth), confidence)
    return Evaluation(staging, len(truth), accuracy, macro, at_cut, confusion(truth, called, classes))
