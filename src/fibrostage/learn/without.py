"""What a fitted network says of test patients whose modalities are in part withheld from it: by_modality.parquet.

A candidate's logits are a sum of the modalities' shares, so a modality is withheld by putting the offset in its share's
place, exactly as for a patient who was never examined so: no picture is looked at again and nothing is fitted. What is
said is calibrated as it would be for such a patient (`learn.lacking`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from fibrostage.cohort.candidates import ABSENT
from fibrostage.cohort.splits import Fold
from fibrostage.ground.draws import Draws
from fibrostage.learn.lacking import Member
from fibrostage.learn.learner import Learner, probabilities_of_rows
from fibrostage.learn.soundness import never_certain
from fibrostage.learn.task import Task
from fibrostage.learn.telling import tell
from fibrostage.results.predictions import TEST
from fibrostage.stats.poolings import PAIR_MEAN, POOLINGS


def left_over(modalities: Sequence[str]) -> list[tuple[str, ...]]:
    """What a network may be left with: all its modalities, all but one of them, each alone; each once, all first."""
    but_one = [tuple(name for name in modalities if name != gone) for gone in modalities]
    return [*dict.fromkeys([tuple(modalities), *but_one, *((name,) for name in modalities)])]


def without_modalities(learner: Learner, member: Member, task: Task, fold: Fold) -> pl.DataFrame | None:
    """A row a test patient of the fold and set of modalities that the network is left with (`method`): its calibrated
    probabilities p_0 … p_K−1. Patients who lack what is withheld, or have nothing of what is left, have no row.

    None where the network has one modality, or nobody has two. `member` calibrates what the `learner` says.
    """
    names = task.plan.fused
    ids = task.space.draw(fold.test, task.plan.evaluation.candidates, Draws.EVALUATED.of(task.plan.seed))
    chosen, owners = task.space.decode(ids), task.space.patient_of(ids)
    parts = [
        told_with(learner, member, task, fold, chosen, owners, np.array([name in left for name in names]))
        for left in left_over(names)
    ]
    found = [part for part in parts[1:] if part is not None]
    return pl.concat([parts[0], *found]) if found and parts[0] is not None else None


def told_with(
    learner: Learner,
    member: Member,
    task: Task,
    fold: Fold,
    chosen: NDArray[np.int64],
    owners: NDArray[np.int64],
    left: NDArray[np.bool_],
) -> pl.DataFrame | None:
    """What is said of the patients of candidates, pictures `chosen` [n, M] of the patients `owners` [n], by the
    modalities that `left` [M] marks; None where nobody has both some of these and some of the others."""
    there = chosen >= 0  # the same in all of a patient's candidates
    kept = there[:, left].any(axis=1) & (left.all() | there[:, ~left].any(axis=1))
    if not kept.any():
        return None
    rows, whose = np.where(left, chosen[kept], ABSENT), owners[kept]
    with torch.inference_mode():
        tables = learner.head.tables(learner.features)
        each = [tables[name].double().numpy()[rows[:, at]] for at, name in enumerate(task.plan.fused)]
    said = never_certain(probabilities_of_rows(learner.head, tables, rows).astype(np.float64))
    patients, pooled = POOLINGS[task.plan.evaluation.pooling](whose, said)
    _, sums = POOLINGS[PAIR_MEAN](whose, np.sum(each, axis=0))
    lacking = rows[np.unique(whose, return_index=True)[1]] < 0
    told = tell([member], [pooled], [sums], lacking, task.plan.decision).probabilities
    names, stages = task.cohort.patient_ids, task.cohort.patients["stage"].to_list()
    return pl.DataFrame(
        {
            "patient_id": pl.Series([names[row] for row in patients], dtype=pl.String),
            "stage": pl.Series([stages[row] for row in patients], dtype=pl.String),
            "split": TEST,
            "fold": fold.label,
            "seed": task.plan.seed,
            "method": "+".join(name for name, stays in zip(task.plan.fused, left, strict=True) if stays),
            **{f"p_{k}": pl.Series(told[:, k]) for k in range(told.shape[1])},
        }
    )
