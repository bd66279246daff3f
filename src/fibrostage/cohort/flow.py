"""Who came, who was left out and why, and who is studied: the participant flow that reporting guidelines ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.cohort.store import Cohort

MOST_REASONS = 8
OTHER = "other reasons (exclusions.parquet has them)"


@dataclass(frozen=True)
class Flow:
    """Counts of patients, and of pictures of those who are studied."""

    enrolled: int
    excluded: dict[str, int]
    studied: int
    unlabelled: int
    pictures: int
    pictures_left_out: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def has_any(cohort: Cohort) -> NDArray[np.bool_]:
    """Which patients [patients] have a picture of any modality; a table of measurements is none."""
    pictured = [name for name in cohort.modality_names if name not in cohort.measurements]
    return np.logical_or.reduce([has_all(cohort, [name]) for name in pictured])


def has_all(cohort: Cohort, modalities: Sequence[str]) -> NDArray[np.bool_]:
    """Which patients [patients] have a picture of every one of these modalities."""
    complete: NDArray[np.bool_] = np.ones(len(cohort.patients), dtype=bool)
    for name in modalities:
        complete &= np.bincount(cohort.owners(name), minlength=len(complete)) > 0
    return complete


def flow_of(cohort: Cohort, require: Sequence[str] = ()) -> Flow:
    """Counts who came to a cohort, who was left out by reason, and what is studied.

    Who lacks a picture of a modality that is required is left out for the first that is lacking. Reasons beyond the
    `MOST_REASONS` commonest are counted together.
    """
    left_out = cohort.exclusions
    if "kind" not in left_out.columns:  # of a cohort from before it was told
        stayed = pl.col("patient_id").is_in(cohort.patients["patient_id"].implode())
        left_out = left_out.with_columns(kind=pl.when(stayed).then(pl.lit("picture")).otherwise(pl.lit("patient")))
    first = left_out.filter(pl.col("kind") == "patient").unique("patient_id", keep="first", maintain_order=True)
    counts = first.group_by("reason").len().sort("len", "reason", descending=[True, False])
    excluded = dict(counts.head(MOST_REASONS).iter_rows())
    rest = len(first) - sum(excluded.values())
    if rest:
        excluded[OTHER] = rest
    patients = cohort.patients["patient_id"]
    complete = has_all(cohort, ())
    for name in require:
        has = has_all(cohort, [name])
        if (complete & ~has).any():
            excluded[f"no {name} picture"] = int((complete & ~has).sum())
        complete &= has
    pictures = cohort.images.filter(~pl.col("modality").is_in(list(cohort.measurements)))
    studied = pictures.filter(pl.col("patient_id").is_in(patients.filter(pl.Series(complete)).implode()))
    return Flow(
        enrolled=len(patients) + len(first),
        excluded=excluded,
        studied=int(complete.sum()),
        unlabelled=int((complete & (cohort.stages < 0)).sum()),
        pictures=len(studied.select("patient_id", "modality", "source", "frame").unique()),
        pictures_left_out=int((left_out["kind"] == "picture").sum()),
    )
