"""Figures of each value of the column by which patients were divided: a hospital each, judged by a model that the
others trained."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from fibrostage.ground.stage import Staging
from fibrostage.results.predictions import LEFT_OUT, TEST, scores_of
from fibrostage.stats.auc import auc_or_why
from fibrostage.stats.estimate import Estimate, wilson


@dataclass(frozen=True)
class FoldFigures:
    """What one left-out value's patients say: how many there are, accuracy, and by cut how many are positive and the
    AUC."""

    value: str
    n: int
    accuracy: Estimate
    positives: dict[str, int]
    auc_at_cut: dict[str, Estimate]


def figures_by_fold(predictions: pl.DataFrame, staging: Staging, confidence: float = 0.95) -> tuple[FoldFigures, ...]:
    """The figures of every fold's test patients, in the order of their names."""
    tested = predictions.filter(pl.col("split") == TEST)
    made = []
    for value in sorted(tested[LEFT_OUT].unique().to_list()):
        found = scores_of(tested.filter(pl.col(LEFT_OUT) == value), staging)
        at_cuts = {cut: found.at_cut(staging, cut) for cut in staging.cuts}
        made.append(
            FoldFigures(
                value,
                len(found),
                wilson(int((found.called == found.stages).sum()), len(found), confidence),
                {cut: int(positive.sum()) for cut, (positive, _) in at_cuts.items()},
                {cut: auc_or_why(positive, score, confidence) for cut, (positive, score) in at_cuts.items()},
            )
        )
    return tuple(made)
