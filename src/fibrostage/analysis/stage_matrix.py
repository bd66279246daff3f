"""Stages called against true stages, and how well their order is told: of each network, on test patients."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fibrostage.analysis.judged import KeptRun
from fibrostage.ground.errors import StatisticsError
from fibrostage.ground.stage import Staging
from fibrostage.results.predictions import scores_of
from fibrostage.stats.agreement import confusion
from fibrostage.stats.estimate import Estimate, undefined, wilson
from fibrostage.stats.evaluate import kappa_or_why
from fibrostage.stats.ordinal import obuchowski


@dataclass(frozen=True)
class StageMatrix:
    """`counts[i, j]`: of `n` test patients those of true stage i who are called j. `recall` and `precision` by stage,
    `kappa` weighted by squared distance, `within_one` the share called the true stage or one beside it, `order`
    Obuchowski's index of the expected stage."""

    method: str
    staging: Staging
    n: int
    counts: NDArray[np.int64]
    recall: tuple[Estimate, ...]
    precision: tuple[Estimate, ...]
    accuracy: Estimate
    kappa: Estimate
    within_one: Estimate
    order: Estimate


def stage_matrices(runs: Iterable[KeptRun], staging: Staging, confidence: float) -> list[StageMatrix]:
    """The matrix of each run, of its test patients; a run that learned one cut is named with it, and tells two."""
    found = []
    for run in runs:
        own = run.tells(staging)
        scores = scores_of(run.predictions, own)
        if len(scores):
            name = run.method if run.task is None else f"{run.method}, {staging.cut_name(run.task)}"
            made = matrix_of(scores.stages, scores.called, scores.probabilities, own, confidence)
            found.append(StageMatrix(name, own, len(scores), *made))
    return found


Figures = tuple[NDArray[np.int64], tuple[Estimate, ...], tuple[Estimate, ...], Estimate, Estimate, Estimate, Estimate]


def matrix_of(
    truth: NDArray[np.int64],
    called: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    staging: Staging,
    confidence: float,
) -> Figures:
    """The figures of true stages [n], those called [n] and probabilities [n, K], in the order of `StageMatrix`."""
    classes, n = staging.classes, len(truth)
    counts = confusion(truth, called, len(classes))

    def shares(totals: NDArray[np.int64], nobody: str) -> tuple[Estimate, ...]:
        return tuple(
            wilson(int(counts[k, k]), int(totals[k]), confidence) if totals[k] else undefined(nobody.format(name))
            for k, name in enumerate(classes)
        )

    right, near = int((called == truth).sum()), int((np.abs(called - truth) <= 1).sum())
    expected = probabilities @ np.arange(len(classes))
    try:
        order = obuchowski(truth, expected, len(classes), names=classes).interval(0, confidence)
    except StatisticsError as error:
        order = undefined(str(error))
    return (
        counts,
        shares(counts.sum(axis=1), "no patient is {}"),
        shares(counts.sum(axis=0), "nobody is called {}"),
        wilson(right, n, confidence),
        kappa_or_why(counts, confidence),
        wilson(near, n, confidence),
        order,
    )
