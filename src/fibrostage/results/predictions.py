"""predictions.parquet, the wall between learning and statistics: how it is made, and how it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.ground.stage import Staging
from fibrostage.stats.calling import Calling
from fibrostage.stats.conformal import possible
from fibrostage.stats.decisions import MODE
from fibrostage.stats.evaluate import cut_score
from fibrostage.stats.poolings import PAIR_MEAN, POOLINGS

CALIBRATED, CALLED, POSSIBLE = (
    ("q_0",),
    "called",
    "possible",
)  # columns of the patient, the same in all of a patient's rows
LEFT_OUT = "left_out"  # column: the value that tests, where patients are divided by a column
TEST, TRAINING, VALIDATION = "test", "train", "validation"  # values of `split`


@dataclass(frozen=True)
class Scores:
    """Probabilities [n, K] of patients, or of pictures, with their true stages [n] and those that are called [n]."""

    patients: NDArray[np.str_]  # the patient of each row
    stages: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    called: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.stages)

    def at_cut(self, staging: Staging, cut: str) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Returns who of the n rows is at or above a cut [n], and with what probability each is said to be [n].

        Raises `PlanError` where the staging has no such cut.
        """
        return staging.at_or_above(self.stages, cut), cut_score(self.probabilities, staging.threshold(cut))


def scores_of(predictions: pl.DataFrame, staging: Staging, split: str = TEST, by: str = "patient_id") -> Scores:
    """One row a patient, or a picture (`by` = "picture"): everything in the table of that split, pooled as it says.

    Patients have their calibrated probabilities and the stage called by the run's rule, where the table has them; of a
    patient who was tested several times, their mean and the middle one. Pictures have the network's own.
    """
    own = predictions.filter(pl.col("split") == split)
    columns = [f"p_{k}" for k in range(len(staging.classes))]
    pooling = own["pooling"][0] if len(own) and "pooling" in own.columns else PAIR_MEAN
    units, table = POOLINGS[pooling](own[by].to_numpy(), own.select(columns).to_numpy())
    if by == "patient_id" and CALIBRATED[0] in own.columns:
        means = own.group_by("patient_id").agg(pl.col(f"q_{k}").mean() for k in range(len(staging.classes)))
        table = (
            pl.DataFrame({"patient_id": units.tolist()}, schema={"patient_id": pl.String})
            .join(means, "patient_id", maintain_order="left")
            .drop("patient_id")
            .to_numpy()
        )
    called = np.asarray(table.argmax(axis=1))
    if by == "patient_id" and CALLED in own.columns:
        each = own.unique(["patient_id", "fold", "seed"]).select(
            "patient_id", at=pl.col(CALLED).replace_strict(list(staging.classes), range(len(staging.classes)))
        )
        middle = dict(each.group_by("patient_id").agg(pl.col("at").median().floor().cast(pl.Int64)).iter_rows())
        called = np.array([middle[unit] for unit in units], dtype=np.int64)
    whose = own.select(unit=pl.col(by), patient=pl.col("patient_id"), stage=pl.col("stage")).unique()
    known = {unit: (patient, stage) for unit, patient, stage in whose.iter_rows()}
    stages = np.array([staging.classes.index(known[unit][1]) for unit in units], dtype=np.int64)
    return Scores(np.array([known[unit][0] for unit in units], dtype=str), stages, table, called)


def with_calls(predictions: pl.DataFrame, calling: Calling, staging: Staging, coverage: float) -> pl.DataFrame:
    """Adds what a reader is told of each patient: `q_0` … `q_K−1`, the calibrated probabilities, where there is a
    calibration, `called`, where the stage called is not simply the most probable one, and `possible`, the stages that
    cannot be excluded at a coverage, where that is known."""
    if calling.recalibration is None and calling.decision.rule == MODE and calling.sets is None:
        return predictions
    parts = []
    for (split,), own in predictions.group_by("split", maintain_order=True):
        found = scores_of(own, staging, str(split))
        probabilities = calling.probabilities(found.probabilities)
        told: dict[str, pl.Series] = {"patient_id": pl.Series(found.patients.tolist(), dtype=pl.String)}
        if calling.recalibration is not None:
            told |= {f"q_{k}": pl.Series(probabilities[:, k]) for k in range(len(staging.classes))}
        if calling.decision.rule != MODE:
            told[CALLED] = pl.Series([staging.classes[at] for at in calling.decision(probabilities)], dtype=pl.String)
        if calling.sets is not None:
            inside = possible(probabilities, calling.sets.limits(coverage))
            names = [" ".join(compress(staging.classes, row)) for row in inside]
            told[POSSIBLE] = pl.Series(names, dtype=pl.String)
        parts.append(own.join(pl.DataFrame(told), "patient_id", maintain_order="left"))
    return pl.concat(parts)


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
