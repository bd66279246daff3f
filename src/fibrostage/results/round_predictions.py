"""round_predictions.parquet: what every round's model said of each test patient.

A learning curve keeps one figure a round; which of two curves is higher is a question about patients, and needs what
was said of each. A row is a patient and round, pooled over the patient's candidates as the plan pools. The rounds so
far are read, the new one put after them, and the whole renamed into place: a killed run leaves whole rounds, and one
that was begun before the file was kept has those from then on.
"""

from __future__ import annotations

import polars as pl

from fibrostage.ground.stage import Staging
from fibrostage.results.predictions import TEST, scores_of
from fibrostage.results.run_folder import RunFolder, read_parquet, write_parquet


def round_rows(predictions: pl.DataFrame, staging: Staging, strategy: str, round_: int) -> pl.DataFrame:
    """What a round's model said, a row a test patient, of a table of `predictions` with a row a candidate."""
    found = scores_of(predictions, staging)
    classes = range(len(staging.classes))
    return pl.DataFrame(
        {
            "patient_id": pl.Series(found.patients.tolist(), dtype=pl.String),
            "round": pl.Series([round_] * len(found), dtype=pl.Int64),
            "split": TEST,
            "fold": predictions["fold"][0],
            "seed": predictions["seed"][0],
            "method": predictions["method"][0],
            "strategy": strategy,
            "stage": pl.Series([staging.classes[stage] for stage in found.stages], dtype=pl.String),
        }
    ).with_columns(pl.Series(f"p_{k}", found.probabilities[:, k]) for k in classes)


def keep_round(run: RunFolder, rows: pl.DataFrame) -> None:
    """Adds a round's rows to the run's file, in place of those of the same round or a later one that was never closed.

    Raises `RunError` where the file cannot be read or written.
    """
    file, round_ = run.round_predictions_file, int(rows["round"][0])
    before = [read_parquet(file).filter(pl.col("round") < round_)] if round_ and file.is_file() else []
    write_parquet(file, pl.concat([*before, rows], how="diagonal_relaxed"))
