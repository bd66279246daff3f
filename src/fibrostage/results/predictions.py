"""Reading predictions.parquet, the wall between learning and statistics; nothing here knows of torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.ground.stage import Staging
from fibrostage.stats.evaluate import cut_score, per_patient

TEST, TRAINING, VALIDATION = "test", "train", "validation"  # values of `split`


@dataclass(frozen=True)
class Scores:
    """Mean probabilities [n, K] of patients, or of pictures, with their true stages [n]."""

    patients: NDArray[np.str_]  # the patient of each row
    stages: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.stages)

    def at_cut(self, staging: Staging, cut: str) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Who is at or above a cut, and with what probability each is said to be."""
        return staging.at_or_above(self.stages, cut), cut_score(self.probabilities, staging.threshold(cut))


def scores_of(predictions: pl.DataFrame, staging: Staging, split: str = TEST, by: str = "patient_id") -> Scores:
    """One row a patient, or a picture (`by` = "picture"): the mean over everything in the table of that split."""
    own = predictions.filter(pl.col("split") == split)
    columns = [f"p_{k}" for k in range(len(staging.classes))]
    units, table = per_patient(own[by].to_numpy(), own.select(columns).to_numpy())
    whose = own.select(unit=pl.col(by), patient=pl.col("patient_id"), stage=pl.col("stage")).unique()
    known = {unit: (patient, stage) for unit, patient, stage in whose.iter_rows()}
    stages = np.array([staging.classes.index(known[unit][1]) for unit in units], dtype=np.int64)
    return Scores(np.array([known[unit][0] for unit in units], dtype=str), stages, table)
