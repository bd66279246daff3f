"""Who trains and who tests in a run, and what is known of them, for participants.parquet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.cohort.flow import has_all
from fibrostage.cohort.splits import Fold
from fibrostage.cohort.store import Cohort
from fibrostage.learn.task import Task
from fibrostage.results.participants import BOTH, COMPLETE, TESTS, TRAINS, known_of_patients


def participants_of(task: Task, folds: Sequence[Fold] | None = None) -> pl.DataFrame:
    """A row a patient who trains or tests in some of the `folds`, of all of them where none are given, in the cohort's
    order, with the finest stage that is known."""
    own = task.folds if folds is None else folds
    trains, tests = (np.unique(np.concatenate([getattr(fold, part) for fold in own])) for part in ("train", "test"))
    rows = np.union1d(trains, tests)
    both = np.isin(rows, trains) & np.isin(rows, tests)
    which = np.where(both, BOTH, np.where(np.isin(rows, tests), TESTS, TRAINS))
    return known_of_rows(task, rows, which.tolist())


def known_of_rows(task: Task, rows: NDArray[np.int64], which: Sequence[str]) -> pl.DataFrame:
    """What is known of the patients in `rows` [n], of whom each is in the cohort that `which` [n] says."""
    cohort = task.cohort.finer or task.cohort
    devices = device_of(task.cohort)
    patients = cohort.patients.join(devices, "patient_id", "left", maintain_order="left")[rows]
    head = patients.select("patient_id", "stage").with_columns(
        cohort=pl.Series(which, dtype=pl.String), modalities=modalities_of(task, rows.tolist())
    )
    return pl.concat([head, known_of_patients(patients)], how="horizontal")


def device_of(cohort: Cohort) -> pl.DataFrame:
    """By patient, the devices that made the pictures, as text; null where no picture says."""
    named = cohort.images.drop_nulls("device").group_by("patient_id").agg(pl.col("device").unique().sort())
    own = named.select("patient_id", device=pl.col("device").list.join(" and "))
    return own if "device" not in cohort.patients.columns else own.drop("device")


def modalities_of(task: Task, rows: list[int]) -> pl.Series:
    """Which of the run's modalities each patient of the `rows` [n] has: all of them, or their names."""
    names = task.plan.fused
    has = {name: has_all(task.cohort, [name]) for name in names}
    own = [[name for name in names if has[name][row]] for row in rows]
    return pl.Series([COMPLETE if len(each) == len(names) else " and ".join(each) for each in own], dtype=pl.String)
