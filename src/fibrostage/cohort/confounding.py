"""Does how a picture was stored, or where and when it was made, give its stage away?

If file format, picture size, device, site or date predicts the stage better than chance, a network can score well
without looking at the liver. The predictor is the plainest there is: the commonest stage among the patients with the
same value, learned on four fifths of them and tested on the rest. Its accuracy is compared with its distribution under
shuffled stages. Folds are dealt by value and stage, because where two stages tie, the one left out would always lose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.ground.draws import Draws
from fibrostage.ground.stage import Staging

MAX_VALUES = 20  # a column with more values than this says who, not what; numbers are cut into BINS
BINS = 5
FOLDS = 5
PERMUTATIONS = 999
ALARM = 0.01
COLUMNS = {
    "source_format": "file format",
    "source_size": "picture size",
    "device": "device",
    "site": "site",
    "day": "date of the exam",
}


@dataclass(frozen=True)
class Confounding:
    """How well one property predicts the stage, over `n` labelled patients; `accuracy` is cross-validated."""

    column: str
    n: int
    accuracy: float
    chance: float
    p: float

    def warning(self) -> str:
        return (
            f"{self.column} alone predicts the stage with accuracy {self.accuracy:.2f} "
            f"(n = {self.n} patients, cross-validated; shuffled stages {self.chance:.2f}, p = {self.p:.3f}): "
            "a network may learn the source instead of the organ; "
            "read every result on this cohort with that in mind"
        )


def majority_accuracy(values: NDArray[np.int64], stages: NDArray[np.int64]) -> float:
    """Computes the accuracy of calling the commonest stage among the patients with the same value, cross-validated.

    `values` [n] are codes from 0 and `stages` [n] stage indices, one a patient; each patient's stage is called from
    those in the other folds.
    """
    n_values, n_stages = int(values.max()) + 1, int(stages.max()) + 1
    order = np.lexsort((stages, values))
    folds = np.empty(len(values), dtype=np.int64)
    folds[order] = np.arange(len(values)) % FOLDS
    tables = np.zeros((FOLDS, n_values, n_stages), dtype=np.int64)
    np.add.at(tables, (folds, values, stages), 1)
    learned = tables.sum(axis=0) - tables
    called = learned.argmax(axis=2)
    overall = learned.sum(axis=1).argmax(axis=1)
    called = np.where(learned.sum(axis=2) > 0, called, overall[:, None])  # a value that only the tested have
    right = np.take_along_axis(tables, called[:, :, None], axis=2)
    return float(right.sum() / len(values))


def check_column(
    column: str, values: NDArray[np.int64], stages: NDArray[np.int64], rng: np.random.Generator
) -> Confounding:
    """Tests whether a property predicts the stage better than it does after the stages are shuffled.

    `values` [n] are the property's codes from 0 and `stages` [n] stage indices, one a patient; `column` is its name for
    people.
    """
    accuracy = majority_accuracy(values, stages)
    shuffled = np.array([majority_accuracy(values, rng.permutation(stages)) for _ in range(PERMUTATIONS)])
    p = (1 + int((shuffled >= accuracy - 1e-12).sum())) / (1 + PERMUTATIONS)
    return Confounding(column, len(values), accuracy, float(shuffled.mean()), p)


def check_confounding(
    patients: pl.DataFrame, images: pl.DataFrame, staging: Staging, seed: int = 0
) -> list[Confounding]:
    """Every property that predicts the stage with p < 0.01, over labelled patients with images.

    Of `day` only differences count. Properties that a table does not have are passed over.
    """
    position = {label: index for index, label in enumerate(staging.classes)}
    labels = dict(patients.filter(pl.col("stage").is_not_null()).select("patient_id", "stage").iter_rows())
    table = per_patient(images.filter(pl.col("patient_id").is_in(list(labels))), patients)
    stages = np.array([position[labels[p]] for p in table["patient_id"]], dtype=np.int64)
    found = []
    for column, name in COLUMNS.items():
        if column not in table.columns:
            continue
        known = table[column].is_not_null().to_numpy()
        codes = coded(table[column].filter(pl.Series(known)))
        if codes is not None and len(np.unique(stages[known])) > 1:
            check = check_column(name, codes, stages[known], Draws.CONFOUNDING.of(seed))
            if check.p < ALARM:
                found.append(check)
    return found


def per_patient(images: pl.DataFrame, patients: pl.DataFrame) -> pl.DataFrame:
    """One row a patient: the different formats, sizes and devices of the pictures, the first day, and the site.

    Where no picture names its device, a column `device` of the patients does.
    """
    texts = [column for column in ("source_format", "device") if column in images.columns]
    table = images.with_columns(source_size=pl.format("{}×{}", "source_width", "source_height")).group_by(
        "patient_id", maintain_order=True
    )
    several = [pl.col(column).drop_nulls().unique().sort().str.join("+") for column in (*texts, "source_size")]
    days = [pl.col("day").min()] if "day" in images.columns else []
    result = table.agg(*several, *days)
    result = result.with_columns(pl.when(pl.col(c) != "").then(pl.col(c)).name.keep() for c in texts)
    if "device" in patients.columns and "device" in texts and not result["device"].count():
        result = result.drop("device")
    wanted = [name for name in ("site", "device") if name in patients.columns and name not in result.columns]
    return result.join(patients.select("patient_id", *wanted), on="patient_id", how="left", maintain_order="left")


def coded(values: pl.Series) -> NDArray[np.int64] | None:
    """Numbers a property's values [n] from 0; None where there is one only, or where they say who instead of what.

    Numbers are cut into quantile bins first.
    """
    if values.dtype.is_numeric():
        edges = np.quantile(values.to_numpy(), np.linspace(0, 1, BINS + 1)[1:-1]) if len(values) else np.empty(0)
        _, codes = np.unique(np.searchsorted(edges, values.to_numpy(), side="right"), return_inverse=True)
    else:
        _, codes = np.unique(values.to_numpy(), return_inverse=True)
    different = len(np.unique(codes))
    return codes.astype(np.int64) if 2 <= different <= MAX_VALUES else None
