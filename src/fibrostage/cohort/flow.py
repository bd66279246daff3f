"""Who came, who was left out and why, and who is studied: the participant flow that reporting guidelines ask for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from fibrostage.cohort.store import Cohort

MOST_REASONS = 8
OTHER = "other reasons (exclusions.parquet has them)"


@dataclass(frozen=True)
class Flow:
    """Counts of patients; `pictures_left_out` are of patients who stayed."""

    enrolled: int
    excluded: dict[str, int]
    studied: int
    unlabelled: int
    pictures: int
    pictures_left_out: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def flow_of(cohort: Cohort) -> Flow:
    stayed = cohort.patients["patient_id"]
    gone = cohort.exclusions.filter(pl.col("patient_id").is_not_null() & ~pl.col("patient_id").is_in(stayed.implode()))
    first = gone.unique("patient_id", keep="first", maintain_order=True)
    counts = first.group_by("reason").len().sort("len", "reason", descending=[True, False])
    excluded = dict(counts.head(MOST_REASONS).iter_rows())
    rest = len(first) - sum(excluded.values())
    if rest:
        excluded[OTHER] = rest
    kept_out = cohort.exclusions.filter(pl.col("patient_id").is_in(stayed.implode()))
    return Flow(
        enrolled=len(stayed) + len(first),
        excluded=excluded,
        studied=len(stayed),
        unlabelled=int((cohort.stages < 0).sum()),
        pictures=len(cohort.images.select("modality", "source", "frame").unique()),
        pictures_left_out=kept_out["file"].n_unique(),
    )
