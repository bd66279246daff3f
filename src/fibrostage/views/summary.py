"""A run or a study in one paragraph of plain words, with its main figures, n and intervals."""

from __future__ import annotations

from collections.abc import Sequence

from fibrostage.analysis.judged import Judged
from fibrostage.analysis.networks_and_markers import MARKER, NETWORK
from fibrostage.analysis.operating_points import YOUDEN, points_of
from fibrostage.analysis.reclassified import common_rows
from fibrostage.analysis.stage_matrix import StageMatrix
from fibrostage.ground.errors import StatisticsError
from fibrostage.ground.lists import and_
from fibrostage.ground.stage import Staging
from fibrostage.stats.auc import auc_or_why, delong
from fibrostage.stats.estimate import Estimate
from fibrostage.views.table import short_text, signed_short

NO_THRESHOLD = "What a threshold would do cannot be said because {}."


def summary(
    judged: Sequence[Judged], matrices: Sequence[StageMatrix], staging: Staging, confidence: float, how: str
) -> list[str]:
    """Sentences on the first network: who was tested (`how`), how well cuts are told apart, at what threshold, how well
    stages are called, and how it compares with the others at its first cut that has an AUC."""
    own = [one for one in judged if one.kind == NETWORK and one.method == judged[0].method]
    first = own[0]
    percent = f"{100 * confidence:g} %"
    sentences = [f"{named(first.method)} was tested on {len(first)} patients {how}."]
    areas = {one.cut: auc_or_why(one.positive, one.score, confidence) for one in own}
    parts = [
        f"{staging.cut_name(one.cut)} with an AUC of {figure(areas[one.cut])} ({one.positives} of {len(one)} have it)"
        for one in own
        if areas[one.cut].value is not None
    ]
    if parts:
        sentences.append(f"It told {and_(parts)}; intervals are {percent}.")
    for one in own:
        if areas[one.cut].value is None:
            sentences.append(f"{staging.cut_name(one.cut)} cannot be judged: {areas[one.cut].why}.")
    sentences += threshold_sentence(own, staging, confidence)
    matrix = next((one for one in matrices if one.method == first.method), None)
    if matrix is not None and len(staging.classes) == 2:
        sentences.append(f"It called {figure(matrix.accuracy)} of the patients rightly.")
    elif matrix is not None:
        sentences.append(
            f"It called {figure(matrix.accuracy)} of the patients their true stage and {figure(matrix.within_one)} "
            f"that stage or a neighbour (weighted kappa {figure(matrix.kappa)})."
        )
    return sentences + [line for line in (beside(own, judged, staging, confidence),) if line]


def threshold_sentence(own: Sequence[Judged], staging: Staging, confidence: float) -> list[str]:
    """What Youden's threshold, chosen on training patients, does at the first cut."""
    point = points_of(own[0], staging.name, confidence)[0]
    assert point.rule == YOUDEN
    if point.point is None:
        return [NO_THRESHOLD.format(point.why)]
    made = point.point
    return [
        f"At the threshold that training patients chose for {staging.cut_name(own[0].cut)}, its sensitivity was "
        f"{figure(made.sensitivity)} (n = {made.tp + made.fn}) and its specificity {figure(made.specificity)} "
        f"(n = {made.tn + made.fp})."
    ]


def beside(own: Sequence[Judged], judged: Sequence[Judged], staging: Staging, confidence: float) -> str:
    """The network minus each other method at the first cut, on the patients of both, by DeLong's test."""
    first, found = own[0], []
    for other in judged:
        if other.cut != first.cut or other.method == first.method:
            continue
        mine, their = common_rows(first, other)
        positive = first.positive[mine]
        try:
            d = delong(positive, [first.score[mine], other.score[their]]).difference(0, 1, confidence)
        except StatisticsError:
            continue
        if d.value is not None and d.lo is not None and d.hi is not None:
            told = "" if d.lo > 0 or d.hi < 0 else ", which may be chance"
            kind = "" if other.kind == MARKER else " (another network)"
            found.append(f"{named(other.method)}{kind} {signed_short(d)} on {len(positive)}{told}")
    if not found:
        return ""
    intro = f"At {staging.cut_name(first.cut)} its AUC minus that of another method on the patients of both is: "
    return intro + "; ".join(found) + ". These differences are not adjusted for their number."


def figure(estimate: Estimate) -> str:
    """A figure with its interval, as a sentence has it."""
    if estimate.value is None:
        return f"not defined ({estimate.why})"
    if estimate.lo is None or estimate.hi is None:
        return f"{estimate.value:.2f} (no interval: {estimate.why or 'unknown'})"
    return short_text(estimate)


def named(method: str) -> str:
    """A method as a sentence has it."""
    return method.replace("+", " with ")
