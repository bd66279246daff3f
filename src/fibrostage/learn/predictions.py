"""Reading predictions.parquet, the wall between learning and statistics; nothing here knows of torch."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.stage import Staging
from fibrostage.stats.evaluate import per_patient


def patient_scores(predictions: pl.DataFrame, staging: Staging) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """True stages [n] and mean probabilities [n, K] per patient, over everything in the table."""
    columns = [f"p_{k}" for k in range(len(staging.classes))]
    patients, table = per_patient(predictions["patient_id"].to_numpy(), predictions.select(columns).to_numpy())
    stage_of = dict(predictions.select("patient_id", "stage").unique().iter_rows())
    stages = np.array([staging.classes.index(stage_of[patient]) for patient in patients], dtype=np.int64)
    return stages, table
