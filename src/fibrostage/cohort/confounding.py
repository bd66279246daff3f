"""Does how a picture was stored give its stage away?

If file format or picture size predicts the stage better than chance, a network can score well without looking
at the liver. The predictor is the plainest there is: the commonest stage among the patients with the same value.
Its accuracy is compared with its distribution under shuffled stages, which has the same optimism. (Leaving the
patient out instead fails where two stages tie: the one left out then always loses.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.stage import Staging

MAX_VALUES = 20  # a column with more values than this says who, not what
PERMUTATIONS = 999
ALARM = 0.01


@dataclass(frozen=True)
class Confounding:
    """How well one storage property predicts the stage, over `n` labelled patients."""

    column: str
    n: int
    accuracy: float
    chance: float
    p: float

    def warning(self) -> str:
        return (
            f"{self.column} alone predicts the stage with accuracy {self.accuracy:.2f} "
            f"(n = {self.n} patients, shuffled stages {self.chance:.2f}, p = {self.p:.3f}): "
            "a network may learn the source instead of the organ; "
            "read every result on this cohort with that in mind"
        )


def majority_accuracy(values: NDArray[np.int64], stages: NDArray[np.int64]) -> float:
    """Accuracy of "the commonest stage among patients with this value"."""
    table = np.zeros((values.max() + 1, stages.max() + 1), dtype=np.int64)
    np.add.at(table, (values, stages), 1)
    return float(table.max(axis=1).sum() / len(values))


def check_column(
    column: str, values: NDArray[np.int64], stages: NDArray[np.int64], rng: np.random.Generator
) -> Confounding:
    accuracy = majority_accuracy(values, stages)
    shuffled = np.array([majority_accuracy(values, rng.permutation(stages)) for _ in range(PERMUTATIONS)])
    p = (1 + int((shuffled >= accuracy - 1e-12).sum())) / (1 + PERMUTATIONS)
    return Confounding(column, len(values), accuracy, float(shuffled.mean()), p)


def check_confounding(
    patients: pl.DataFrame, images: pl.DataFrame, staging: Staging, seed: int = 0
) -> list[Confounding]:
    """Every storage property that predicts the stage with p < 0.01, over labelled patients with images."""
    position = {label: index for index, label in enumerate(staging.classes)}
    labels = dict(patients.filter(pl.col("stage").is_not_null()).select("patient_id", "stage").iter_rows())
    size = pl.format("{}×{}", "source_width", "source_height")
    per_patient = (
        images.filter(pl.col("patient_id").is_in(list(labels)))
        .with_columns(source_size=size)
        .group_by("patient_id", maintain_order=True)
        .agg(pl.col("source_format", "source_size").unique().sort().str.join("+"))
    )
    stages = np.array([position[labels[p]] for p in per_patient["patient_id"]], dtype=np.int64)
    found = []
    for column, name in (("source_format", "file format"), ("source_size", "picture size")):
        values, codes = np.unique(per_patient[column].to_numpy(), return_inverse=True)
        if 2 <= len(values) <= MAX_VALUES and len(np.unique(stages)) > 1:
            check = check_column(name, codes, stages, np.random.default_rng([seed, 3]))
            if check.p < ALARM:
                found.append(check)
    return found
