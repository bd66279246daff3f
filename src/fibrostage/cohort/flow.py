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
    """Counts of patients, and of pictures of those who are studied."""

    enrolled: int
    excluded: dict[str, int]
    studied: int
    unlabelled: int
    pictures: int
    pictures_left_out: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def flow_of(cohort: Cohort) -> Flow:
    """Counts who came to a cohort, who was left out by reason, and what is studied.

    Reasons beyond the `MOST_REASONS` commonest are counted together.
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
    return Flow(
        enrolled=len(patients) + len(first),
        excluded=excluded,
        studied=len(patients),
        unlabelled=int((cohort.stages < 0).sum()),
        pictures=len(cohort.images.select("patient_id", "modality", "source", "frame").unique()),
        pictures_left_out=int((left_out["kind"] == "picture").sum()),
    )
