"""The runs that a study's networks take their first weights from, made before the grid."""

from __future__ import annotations

import shutil
from pathlib import Path

from fibrostage.cohort.store import open_cohort
from fibrostage.ground.errors import RunError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn.plan_for_cohort import plan_for
from fibrostage.learn.train import train
from fibrostage.plan.commands import TRAIN
from fibrostage.plan.old_formats import says_the_same
from fibrostage.results.run_folder import RunFolder
from fibrostage.results.study_folder import StudyFolder
from fibrostage.study.study_plan import StudyPlan


def train_sources(study: StudyPlan, base: Path, out: Path, progress: Progress = SILENT) -> None:
    """Trains what is missing; raises `RunError` for a source that was trained otherwise than the study now says."""
    for name, source in study.source.items():
        cohort = open_cohort((base / source.cohort).resolve())
        plan = plan_for(cohort, source.plan, [], f"source {name}")
        folder = StudyFolder(out).source_folder(name)
        run = RunFolder(folder)
        if not run.finished:
            progress.say(f"source {name}: {cohort.name}")
            shutil.rmtree(folder, ignore_errors=True)  # what a killed one left
            train(cohort, plan, folder, progress)
            continue
        same = says_the_same(run.read_plan(), plan, TRAIN)
        if not same or run.read_metrics().cohort.fingerprint != cohort.fingerprint:
            raise RunError(
                f"{folder} was trained with another plan or cohort than source {name!r} has now; choose another --out"
            )
