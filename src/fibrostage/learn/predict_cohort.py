"""Everybody of a cohort staged by a model, as a table and as JSON: who was, who was not and why, who trained it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from fibrostage import RESEARCH_USE, SIMULATED
from fibrostage.cohort.flow import has_all
from fibrostage.cohort.measurements import seen_by
from fibrostage.cohort.store import Cohort
from fibrostage.csv_tables.writer import write_csv
from fibrostage.ground.errors import RunError
from fibrostage.ground.files import Json, replace_file
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.ground.shards import RayShards
from fibrostage.ground.stage import Staging
from fibrostage.learn.model import Model, open_model
from fibrostage.learn.plan_for_cohort import check_fit
from fibrostage.learn.reasons import out_of_scope, reasons_of
from fibrostage.plan.calibration import DecisionPlan
from fibrostage.results.staged import Staged, staged_table

LEFT_OUT = ("patient_id", "reason")


@dataclass(frozen=True)
class PredictedCohort:
    """What a model says of a cohort's patients; `left_out` is who could not be staged, with why, and `given` the ids
    that people know patients by, where they were asked for. Of files, `refused` are those that were not taken, or
    values of them, with why."""

    staged: tuple[Staged, ...]
    left_out: Mapping[str, str]
    staging: Staging
    simulated: bool
    model: str
    given: Mapping[str, str] | None = None
    refused: tuple[tuple[str, str], ...] = ()

    def table(self) -> pl.DataFrame:
        """One row a patient who was staged: patient_id, the stage called, p_<class>, p_ge_<cut>, and what to know."""
        table = staged_table(self.staged, self.staging)
        if self.given is not None:
            known = pl.Series("given_id", [self.given.get(one.patient_id) for one in self.staged], dtype=pl.String)
            table = table.insert_column(1, known)
        return table.with_columns(origin=pl.lit(SIMULATED)) if self.simulated else table

    def as_dict(self) -> dict[str, Json]:
        """What JSON holds."""
        cuts = self.staging.cuts
        patients: list[Json] = [
            {
                **one.as_dict(self.staging),
                **({} if self.given is None else {"given_id": self.given.get(one.patient_id)}),
            }
            for one in self.staged
        ]
        left = self.left_out.items()
        return {
            "staging": {"name": self.staging.name, "classes": list(self.staging.classes), "cuts": list(cuts)},
            "model": self.model,
            "simulated": self.simulated,
            "notice": RESEARCH_USE,
            "patients": patients,
            "left_out": [{"patient_id": patient, "reason": reason} for patient, reason in left],
            "refused": [{"file": file, "reason": reason} for file, reason in self.refused],
        }


def predict_cohort(
    run: Path,
    cohort: Cohort,
    target: Path | None = None,
    progress: Progress = SILENT,
    given: Mapping[str, str] | None = None,
    keep: bool = True,
) -> PredictedCohort:
    """Stages a cohort's patients with a run's model; writes the table to `target`, and who was left out beside it.

    Raises `RunError` where the run holds no model, and what `stage_cohort` and `write_table` raise.
    """
    check_target(target)
    found = stage_cohort(open_model(run), cohort, progress, given, keep)
    write_table(found, target)
    return found


def stage_cohort(
    model: Model,
    cohort: Cohort,
    progress: Progress = SILENT,
    given: Mapping[str, str] | None = None,
    keep: bool = True,
    asked: DecisionPlan | None = None,
    next_exam: bool = False,
    engine: RayShards | None = None,
) -> PredictedCohort:
    """Stages a cohort's patients, each with the reasons not to trust it; who has no picture like those of training is
    left out.

    `given` leads from patients' ids to those that people know them by; without `keep` nothing of the pictures stays in
    the cache of features; of `asked`, coverage, predictive values and false alarms hold instead of the model's own;
    with `next_exam` it says which exam to make next of those that a patient lacks. The nodes of `engine` compute the
    features, where there is one. Raises `PlanError` where the cohort
    is of other stages or otherwise stored pictures than the model.
    """
    check_fit(cohort, model.plan)
    seen = seen_by(cohort, model.plan, new=True)
    return judged(model, seen, model.stage(seen, progress, keep, asked, next_exam, engine), given)


def judged(
    model: Model, cohort: Cohort, every: Sequence[Staged], given: Mapping[str, str] | None = None
) -> PredictedCohort:
    """What is said of a cohort of whom `every` one was staged who could be: the reasons not to trust an answer, and who
    is left out."""
    strange = {one.patient_id: why for one in every if (why := out_of_scope(one)) is not None}
    staged = tuple(
        replace(one, reasons=reasons_of(model, cohort, one)) for one in every if one.patient_id not in strange
    )
    lacking = lacking_of(cohort, {one.patient_id for one in every}, model.plan.fused)
    left_out = {patient: why for patient in cohort.patient_ids if (why := (lacking | strange).get(patient))}
    return PredictedCohort(staged, left_out, model.staging, cohort.simulated, model.digest, given)


def write_table(found: PredictedCohort, target: Path | None) -> None:
    """Writes the table to `target`, and who was left out beside it (STEM.left_out.csv); raises `RunError` where a file
    exists or cannot be written."""
    beside = check_target(target)
    if target is None or beside is None:
        return
    replace_file(target, lambda temporary: write_csv(found.table(), temporary))
    if found.left_out:
        replace_file(beside, lambda temporary: write_csv(left_out_table(found.left_out), temporary))


def left_out_table(left_out: Mapping[str, str]) -> pl.DataFrame:
    """One row a patient who was left out: patient_id and reason."""
    return pl.DataFrame(list(left_out.items()), schema=LEFT_OUT, orient="row")


def check_target(target: Path | None) -> Path | None:
    """Where those who were left out are written, beside `target`; raises `RunError` where either file exists, or there
    is no folder for it."""
    beside = None if target is None else target.with_name(f"{target.stem}.left_out.csv")
    for path in filter(None, (target, beside)):
        if path.exists():
            raise RunError(f"{path} exists; choose another --out")
        if not path.parent.is_dir():
            raise RunError(f"cannot write {path}: there is no folder {path.parent}")
    return beside


def lacking_of(cohort: Cohort, staged: set[str], fused: Sequence[str]) -> dict[str, str]:
    """Why each patient of a cohort who was not staged was not: which modalities of the model they lack."""
    seen = {name: has_all(cohort, [name]) for name in fused}
    result = {}
    for row, patient in enumerate(cohort.patient_ids):
        if patient not in staged:
            lacking = [name for name in fused if not seen[name][row]]
            result[patient] = f"has no {' and no '.join(lacking)} picture" if lacking else "has no picture to stage"
    return result
