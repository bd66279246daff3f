"""Whether a network tells a cut as well in every kind of patient: AUC by subgroup, and a test that they differ.

Subgroups are of test patients; where an amount must be divided, training patients say where, so that test patients
choose nothing. Whether the groups of a characteristic differ (interaction) is asked by the heterogeneity of their
AUCs (Cochran's Q with DeLong's variances; of two groups the square of their difference over its error), with Holm's p
over all characteristics of a cut. A test that finds nothing in small groups says little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import chi2

from fibrostage.analysis.few_patients import enough
from fibrostage.analysis.judged import Judged
from fibrostage.results.participants import COMPLETE, TESTS, Characteristic, characteristics
from fibrostage.stats.auc import auc_interval
from fibrostage.stats.estimate import Estimate
from fibrostage.stats.multiplicity import holm

BMI_LIMITS = (25.0, 30.0)  # of overweight and obesity (WHO)
ASKED = ("sex", "age", "bmi", "site", "device", "aetiology", "inflammation", "steatosis", "diabetes")
PICTURES = Characteristic("modalities", "pictures")
SOME = "some missing"


@dataclass(frozen=True)
class Group:
    """A subgroup's AUC at a cut; None where there are too few patients."""

    name: str
    n: int
    positives: int
    auc: Estimate | None


@dataclass(frozen=True)
class Subgroups:
    """The groups of one characteristic at a cut. `unknown` is of how many test patients it is not known; `p` asks
    whether the groups with an AUC differ, None where fewer than two have one with an error."""

    title: str
    cut: str
    groups: tuple[Group, ...]
    unknown: int
    p: float | None = None
    p_holm: float | None = None


def subgroups_of(judged: Judged, participants: pl.DataFrame, confidence: float) -> list[Subgroups]:
    """Every characteristic with two groups or more among the test patients, at the cut of `judged`."""
    found = []
    by_name = {one.name: one for one in characteristics()}
    own = pl.DataFrame({"patient_id": judged.patients.tolist()}).join(
        participants, "patient_id", "left", maintain_order="left"
    )
    for one in [*(by_name[name] for name in ASKED), PICTURES]:
        if one.name not in participants.columns:
            continue
        kinds = divided(one, own, participants)
        names = list(dict.fromkeys(kind for kind in order_of(kinds) if kind is not None))
        if len(names) < 2:
            continue
        groups = tuple(group_of(name, np.array([kind == name for kind in kinds]), judged, confidence) for name in names)
        found.append(Subgroups(one.title, judged.cut, groups, sum(kind is None for kind in kinds), differing(groups)))
    return adjusted(found)


def order_of(kinds: Sequence[str | None]) -> list[str]:
    """The names of kinds, those of amounts from the least up, others in their order."""
    return sorted({kind for kind in kinds if kind is not None}, key=lambda kind: (not kind.startswith("below"), kind))


def divided(one: Characteristic, own: pl.DataFrame, participants: pl.DataFrame) -> list[str | None]:
    """The group of each test patient of the table `own` [n]; None where it is not known."""
    if one.name == PICTURES.name:
        return [None if kind is None else kind if kind == COMPLETE else SOME for kind in own[one.name]]
    if not one.amount:
        return [None if kind is None else str(kind) for kind in own[one.name]]
    limits: Sequence[float] = BMI_LIMITS
    if one.name != "bmi":
        trains = participants.filter(pl.col("cohort") != TESTS)[one.name].drop_nulls()
        if not len(trains):
            return [None] * len(own)
        limits = (float(round(float(np.median(trains.to_numpy())))),)
    return [None if value is None else between(value, limits) for value in own[one.name]]


def between(value: float, limits: Sequence[float]) -> str:
    """Where an amount lies, in words."""
    at = int(np.searchsorted(limits, value, side="right"))
    if at == 0:
        return f"below {limits[0]:g}"
    return f"{limits[at - 1]:g} and more" if at == len(limits) else f"{limits[at - 1]:g} to below {limits[at]:g}"


def group_of(name: str, rows: NDArray[np.bool_], judged: Judged, confidence: float) -> Group:
    """The AUC of the patients in `rows` [n]."""
    positive = judged.positive[rows]
    n, positives = len(positive), int(positive.sum())
    auc = auc_interval(positive, judged.score[rows], confidence) if enough(positives, n) else None
    return Group(name, n, positives, auc)


def differing(groups: Sequence[Group]) -> float | None:
    """The p of Cochran's Q over the groups' AUCs; None where fewer than two have one with an error."""
    known = [(one.auc.value, one.auc.se) for one in groups if one.auc is not None and one.auc.value is not None]
    pairs = [(value, se) for value, se in known if se]
    if len(pairs) < 2 or len(pairs) < len(known):
        return None
    values, weights = np.array([value for value, _ in pairs]), np.array([1 / se**2 for _, se in pairs])
    mean = (weights * values).sum() / weights.sum()
    return float(chi2.sf((weights * (values - mean) ** 2).sum(), len(pairs) - 1))


def adjusted(found: Sequence[Subgroups]) -> list[Subgroups]:
    """With Holm's p over the characteristics that were tested."""
    tested = [one.p for one in found if one.p is not None]
    stepped = iter(holm(tested).tolist())
    return [one if one.p is None else replace(one, p_holm=next(stepped)) for one in found]
