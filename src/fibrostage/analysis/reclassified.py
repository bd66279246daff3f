"""Whom a network calls otherwise than another network or a marker, on the patients of both, at thresholds that training
patients chose alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fibrostage.analysis.judged import Judged
from fibrostage.analysis.networks_and_markers import NETWORK
from fibrostage.analysis.operating_points import YOUDEN, chosen_by
from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.estimate import Estimate
from fibrostage.stats.reclassification import Reclassification, discrimination_gained, reclassify


@dataclass(frozen=True)
class Against:
    """A network against another method at a cut. `idi` is between two networks alone, whose scores are probabilities;
    `why` says what could not be computed."""

    method: str
    other: str
    cut: str
    made: Reclassification | None = None
    idi: Estimate | None = None
    why: str = ""


def reclassified(judged: Sequence[Judged], confidence: float) -> list[Against]:
    """The first network against every other method at each cut that both speak to."""
    if not judged:
        return []
    name = judged[0].method
    own = [one for one in judged if one.kind == NETWORK and one.method == name]
    return [
        against(first, other, confidence)
        for first in own
        for other in judged
        if other.cut == first.cut and other.method != name
    ]


def against(first: Judged, other: Judged, confidence: float) -> Against:
    """One network against one other method, on the patients of both."""
    head = (first.method, other.method, first.cut)
    chosen, why = chosen_by(YOUDEN, first)
    theirs, why_not = chosen_by(YOUDEN, other)
    if chosen is None or theirs is None:
        return Against(*head, why=why or why_not)
    mine, their = common_rows(first, other)
    positive = first.positive[mine]
    try:
        a, b = first.score[mine] >= chosen.each[mine], other.score[their] >= theirs.each[their]
        made = reclassify(positive, a, b, confidence)
    except StatisticsError as error:
        return Against(*head, why=str(error))
    idi = None
    if other.kind == NETWORK:
        idi = discrimination_gained(positive, first.score[mine], other.score[their], confidence)
    return Against(*head, made, idi)


def common_rows(a: Judged, b: Judged) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of the patients whom both methods have, in one order."""
    _, mine, their = np.intersect1d(a.patients, b.patients, return_indices=True)
    return mine, their
