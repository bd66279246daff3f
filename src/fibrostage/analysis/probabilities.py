"""Whether a method's probabilities mean what they say, and whether acting on them helps: cut by cut, per patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fibrostage.analysis.few_patients import enough, shortage
from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.calibration import Calibration, calibrate
from fibrostage.stats.decision import DecisionCurve, decision_curve

MOST_GROUPS, IN_GROUP = 10, 10  # groups of a calibration plot at most, and patients in each at least
THRESHOLDS: NDArray[np.float64] = np.linspace(0.02, 0.9, 45)


@dataclass(frozen=True)
class AtCut:
    """A method's probabilities at one cut. Where there are too few patients, `why` says so and the rest is None."""

    method: str
    cut: str
    calibration: Calibration | None = None
    decision: DecisionCurve | None = None
    why: str = ""


def at_cut(
    method: str, cut: str, positive: NDArray[np.bool_], score: NDArray[np.float64], seed: int, confidence: float
) -> AtCut:
    """Calibration and decision curve of patients: `positive` [n], and the probability `score` [n] of being so."""
    positives = int(positive.sum())
    if not enough(positives, len(positive)):
        return AtCut(method, cut, why=f"{shortage(positives, len(positive))} to say anything of probabilities")
    try:
        groups = min(MOST_GROUPS, max(2, len(positive) // IN_GROUP))
        calibration = calibrate(positive, np.clip(score, 0.0, 1.0), groups, confidence, seed=seed)
        return AtCut(method, cut, calibration, decision_curve(positive, np.clip(score, 0, 1), THRESHOLDS, confidence))
    except StatisticsError as error:
        return AtCut(method, cut, why=str(error))
