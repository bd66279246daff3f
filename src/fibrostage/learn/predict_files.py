"""The exams just made, staged from their files: read exactly as the training pictures were, and nothing kept of them.

The files become a cohort in a temporary folder, by the same intake and the plan that the training cohort was taken in
with, and the folder goes away with the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fibrostage.ground.progress import SILENT, Progress
from fibrostage.ground.shards import RayShards
from fibrostage.learn.exam_files import Exams, TakenExams, reading_plan, refused, taken_exams
from fibrostage.learn.model import Model, open_model
from fibrostage.learn.predict_cohort import PredictedCohort, check_target, stage_cohort, write_table
from fibrostage.plan.calibration import DecisionPlan

__all__ = ["Exams", "TakenExams", "predict_files", "reading_plan", "stage_taken", "taken_exams"]


def predict_files(
    run: Path,
    exams: Exams,
    target: Path | None = None,
    progress: Progress = SILENT,
    given: Mapping[str, str] | None = None,
) -> tuple[PredictedCohort, tuple[str, ...]]:
    """Stages exams from their files; returns what the model says, and the caveats of its intake.

    Raises `RunError` where the run does not say how its pictures were read, `IntakeError` where no picture of the files
    can be used, and what `stage_cohort` and `write_table` raise.
    """
    check_target(target)
    model, plan = open_model(run), reading_plan(run)  # before files are read: what is wrong here is said at once
    with taken_exams(plan, exams, progress) as taken:
        found = stage_taken(model, taken, progress, given)
        write_table(found, target)
        return found, taken.cohort.caveats


def stage_taken(
    model: Model,
    taken: TakenExams,
    progress: Progress = SILENT,
    given: Mapping[str, str] | None = None,
    asked: DecisionPlan | None = None,
    next_exam: bool = False,
    engine: RayShards | None = None,
) -> PredictedCohort:
    """What the model says of exams that were taken in, with what of them was not taken; raises what `stage_cohort`
    raises."""
    found = stage_cohort(
        model, taken.cohort, progress, given, keep=False, asked=asked, next_exam=next_exam, engine=engine
    )
    return replace(found, refused=refused(taken.cohort.exclusions))
