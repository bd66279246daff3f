"""predictions.parquet, the wall between learning and statistics: how it is made, and how it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.ground.stage import Staging
from fibrostage.stats.evaluate import cut_score
from fibrostage.stats.poolings import PAIR_MEAN, POOLINGS

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
        """Returns who of the n rows is at or above a cut [n], and with what probability each is said to be [n].

        Raises `PlanError` where the staging has no such cut.
        """
        return staging.at_or_above(self.stages, cut), cut_score(self.probabilities, staging.threshold(cut))


def scores_of(predictions: pl.DataFrame, staging: Staging, split: str = TEST, by: str = "patient_id") -> Scores:
    """One row a patient, or a picture (`by` = "picture"): everything in the table of that split, pooled as it says."""
    own = predictions.filter(pl.col("split") == split)
    columns = [f"p_{k}" for k in range(len(staging.classes))]
    pooling = own["pooling"][0] if len(own) and "pooling" in own.columns else PAIR_MEAN
    units, table = POOLINGS[pooling](own[by].to_numpy(), own.select(columns).to_numpy())
    whose = own.select(unit=pl.col(by), patient=pl.col("patient_id"), stage=pl.col("stage")).unique()
    known = {unit: (patient, stage) for unit, patient, stage in whose.iter_rows()}
    stages = np.array([staging.classes.index(known[unit][1]) for unit in units], dtype=np.int64)
    return Scores(np.array([known[unit][0] for unit in units], dtype=str), stages, table)


def predictions_table(
    patients: Sequence[str],
    candidates: NDArray[np.int64],
    stages: Sequence[str | None],
    pictures: Sequence[str | None],
    probabilities: NDArray[np.floating],
    *,
    split: str,
    fold: str,
    seed: int,
    method: str,
    pooling: str = PAIR_MEAN,
) -> pl.DataFrame:
    """One row a candidate, and how a patient's are pooled where that is not their mean: `candidates` [n] ids, of
    `patients` [n] with true `stages` [n], `probabilities` [n, K].

    `pictures` [n] tells crops of one picture together, where a candidate is of one picture.
    """
    table = pl.DataFrame(
        {
            "patient_id": pl.Series(patients, dtype=pl.String),
            "candidate": candidates,
            "split": split,
            "fold": fold,
            "seed": seed,
            "method": method,
            "stage": pl.Series(stages, dtype=pl.String),
            "picture": pl.Series(pictures, dtype=pl.String),
        }
    )
    table = table if pooling == PAIR_MEAN else table.with_columns(pooling=pl.lit(pooling))
    return table.with_columns(pl.Series(f"p_{k}", probabilities[:, k]) for k in range(probabilities.shape[1]))
