"""What a fitted learner says of patients, as rows of predictions.parquet."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.cohort.splits import Fold
from fibrostage.ground.draws import Draws
from fibrostage.learn.learner import Learner, predict
from fibrostage.learn.soundness import check_answers, never_certain
from fibrostage.learn.task import Task
from fibrostage.plan.run_plan import Plan
from fibrostage.results.predictions import LEFT_OUT, TEST, predictions_table
from fibrostage.stats.poolings import POOLINGS


def test_predictions(learner: Learner, task: Task, fold: Fold) -> pl.DataFrame:
    """What a fitted learner says of a fold's test patients."""
    return predictions_of(learner, task, fold, fold.test, TEST)


def predictions_of(learner: Learner, task: Task, fold: Fold, patients: NDArray[np.int64], split: str) -> pl.DataFrame:
    """What a fitted learner says of some patients (rows [P]): a row a candidate, at most as many as the plan
    averages. Raises `RunError` where the network answers nothing, or all the same."""
    ids = task.space.draw(patients, task.plan.evaluation.candidates, Draws.EVALUATED.of(task.plan.seed))
    probabilities = predict(learner, ids)
    check_answers(probabilities, f"{len(patients)} {split} patients")
    return rows_of(task, fold, ids, never_certain(probabilities.astype(np.float64)).astype(np.float32), split)


def rows_of(
    task: Task, fold: Fold, ids: NDArray[np.int64], probabilities: NDArray[np.float32], split: str = TEST
) -> pl.DataFrame:
    """The predictions table of candidates `ids` [n] with probabilities [n, K]."""
    rows, names = task.space.patient_of(ids), task.cohort.patient_ids
    labels = task.cohort.patients["stage"].to_list()
    table = predictions_table(
        [names[row] for row in rows],
        ids,
        [labels[row] for row in rows],
        pictures_of(task, ids),
        probabilities,
        split=split,
        fold=fold.label,
        seed=task.plan.seed,
        method=method_name(task.plan),
        pooling=POOLINGS[task.plan.evaluation.pooling].name,
    )
    return table.with_columns(pl.lit(fold.value).alias(LEFT_OUT)) if fold.value else table


def method_name(plan: Plan) -> str:
    """What a method is called in tables: its modalities."""
    return "+".join(plan.fused)


def pictures_of(task: Task, ids: NDArray[np.int64]) -> list[str | None]:
    """The picture that each candidate of `ids` [n] is, or is a crop of; None where it is several."""
    if len(task.plan.fused) > 1 or task.plan.sees_bags:
        return [None] * len(ids)
    images = task.cohort.images_of(task.plan.fused[0])
    names = images.select("patient_id", "source", pl.col("frame").fill_null(0)).rows()
    first = dict(zip(reversed(names), reversed(images["image_id"].to_list()), strict=True))
    return [first[names[row]] for row in task.space.decode(ids)[:, 0]]
