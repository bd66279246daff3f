"""Operating points chosen on training patients and judged on test patients, and the grey zone between two of them.

A network's thresholds come from what fits inside the training patients said of those whom they had not seen; in each
fold its own, applied to the patients who test there. A marker's come from training patients too, or from the
literature. No test patient chooses anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fibrostage.analysis.judged import Held, Judged
from fibrostage.analysis.networks_and_markers import MARKER
from fibrostage.ground.errors import StatisticsError
from fibrostage.markers import MARKERS
from fibrostage.markers.spec import Cutoff
from fibrostage.stats.estimate import Estimate, undefined, wilson
from fibrostage.stats.operating import OperatingPoint, operating_point
from fibrostage.stats.roc import threshold_at_sensitivity, threshold_at_specificity, youden_threshold

RATE = 0.9  # the sensitivity, or specificity, that two of the rules keep
YOUDEN, RULE_OUT, RULE_IN = "Youden", f"sensitivity {RATE:.0%}", f"specificity {RATE:.0%}"
Choose = Callable[[Held], float]
RULES: dict[str, Choose] = {
    YOUDEN: lambda held: youden_threshold(*held),
    RULE_OUT: lambda held: threshold_at_sensitivity(*held, RATE),
    RULE_IN: lambda held: threshold_at_specificity(*held, RATE),
}


@dataclass(frozen=True)
class Chosen:
    """A threshold of each test patient [n]: by a `rule` on `n` training patients (the most of any fold), or published.
    `lowest` and `highest` are over folds."""

    rule: str
    each: NDArray[np.float64]
    lowest: float
    highest: float
    n: int = 0
    source: str = ""


@dataclass(frozen=True)
class PointAtRule:
    """What a chosen threshold does to a method's test patients at a cut; None, with the reason, where it cannot be."""

    method: str
    kind: str
    cut: str
    rule: str
    chosen: Chosen | None = None
    point: OperatingPoint | None = None
    why: str = ""


@dataclass(frozen=True)
class GreyZone:
    """Test patients between a threshold that rules a cut out and one that rules it in: shares of `n`, the NPV of those
    ruled out and the PPV of those ruled in. `why` says where there is no such zone."""

    method: str
    cut: str
    source: str
    out_below: Chosen | None = None
    in_from: Chosen | None = None
    n: int = 0
    ruled_out: Estimate | None = None
    grey: Estimate | None = None
    ruled_in: Estimate | None = None
    npv: Estimate | None = None
    ppv: Estimate | None = None
    why: str = ""


def points_of(judged: Judged, system: str, confidence: float) -> list[PointAtRule]:
    """Every rule's operating point, and those of published thresholds for the staging `system`."""
    found = []
    head = (judged.method, judged.kind, judged.cut)
    for rule in RULES:
        chosen, why = chosen_by(rule, judged)
        if chosen is None:
            found.append(PointAtRule(*head, rule, why=why))
            continue
        found.append(PointAtRule(*head, rule, chosen, point_at(judged, chosen, confidence)))
    for one in published_for(judged, system):
        chosen = as_chosen(one, len(judged))
        found.append(PointAtRule(*head, chosen.rule, chosen, point_at(judged, chosen, confidence)))
    return found


def point_at(judged: Judged, chosen: Chosen, confidence: float) -> OperatingPoint:
    """What patients' own thresholds do to them."""
    called = (judged.score >= chosen.each).astype(np.float64)
    return operating_point(judged.positive, called, 0.5, confidence)


def chosen_by(rule: str, judged: Judged) -> tuple[Chosen | None, str]:
    """The threshold of a rule on the training patients of each fold, or why there is none."""
    if not judged.held:
        return None, judged.why
    by_fold: dict[str, float] = {}
    try:
        by_fold = {fold: RULES[rule](held) for fold, held in judged.held.items()}
    except StatisticsError as error:
        return None, str(error)
    lacking = {fold for folds in judged.folds for fold in folds} - set(by_fold)
    if lacking:
        return None, f"no training patients of fold {', '.join(sorted(lacking))} were kept"
    usual = float(np.mean(list(by_fold.values())))
    each = np.array([np.mean([by_fold[fold] for fold in folds]) if folds else usual for folds in judged.folds])
    used = [by_fold[fold] for folds in judged.folds for fold in folds] or [usual]
    most = max(len(held[0]) for held in judged.held.values())
    return Chosen(rule, each, min(used), max(used), most), ""


def published_for(judged: Judged, system: str) -> list[Cutoff]:
    """The published thresholds of a marker at the cut; none of a network."""
    return [one for one in cutoffs_of(judged) if (one.system, one.cut) == (system, judged.cut)]


def cutoffs_of(judged: Judged) -> tuple[Cutoff, ...]:
    """Every published threshold of a marker; none of a network."""
    own = next((marker for marker in MARKERS if marker.title == judged.method), None)
    return () if own is None or judged.kind != MARKER else own.cutoffs


def as_chosen(cutoff: Cutoff, n: int) -> Chosen:
    """A published threshold, the same for all n patients."""
    role = "published" if cutoff.role == "single" else f"published, {cutoff.role}"
    each = np.full(n, cutoff.value)
    return Chosen(role, each, cutoff.value, cutoff.value, source=f"{cutoff.source}; {cutoff.whom}")


def grey_zones(judged: Judged, system: str, confidence: float) -> list[GreyZone]:
    """A network's zone between the training patients' thresholds; a marker's between published ones, where it has
    two."""
    head = (judged.method, judged.cut)
    both = {one.role: one for one in published_for(judged, system)}
    if judged.kind == MARKER:
        if not {"rule out", "rule in"} <= set(both):
            return []
        low, high = (as_chosen(both[role], len(judged)) for role in ("rule out", "rule in"))
        return [zone_between(judged, low, high, low.source, confidence)]
    out, why_out = chosen_by(RULE_OUT, judged)
    within, why_in = chosen_by(RULE_IN, judged)
    own = "training patients"
    if out is None or within is None:
        return [GreyZone(*head, own, why=why_out or why_in)]
    return [zone_between(judged, out, within, own, confidence)]


def zone_between(judged: Judged, out: Chosen, within: Chosen, source: str, confidence: float) -> GreyZone:
    """Who is ruled out, ruled in, and neither; no zone where the thresholds are the wrong way round."""
    head = (judged.method, judged.cut, source, out, within, len(judged))
    if (out.each >= within.each).all():
        return GreyZone(*head, why="one threshold keeps both rates on training patients, so nobody is between")
    below, above = judged.score < np.minimum(out.each, within.each), judged.score >= np.maximum(out.each, within.each)
    between = ~below & ~above

    def share(part: NDArray[np.bool_], whole: NDArray[np.bool_] | None = None, nobody: str = "") -> Estimate:
        n = len(judged) if whole is None else int(whole.sum())
        return wilson(int(part.sum()), n, confidence) if n else undefined(nobody)

    return GreyZone(
        *head,
        share(below), share(between), share(above),
        share(below & ~judged.positive, below, "nobody is ruled out"),
        share(above & judged.positive, above, "nobody is ruled in"),
    )  # fmt: skip


def all_points(judged: Iterable[Judged], system: str, confidence: float) -> list[PointAtRule]:
    """The operating points of several methods and cuts; of a marker the published ones, or Youden's where none is
    published for the staging system."""
    found = []
    for one in judged:
        points = points_of(one, system, confidence)
        if one.kind == MARKER:
            known = any(cutoff.system == system for cutoff in cutoffs_of(one))
            points = [point for point in points if (point.rule not in RULES if known else point.rule == YOUDEN)]
        found += points
    return found
