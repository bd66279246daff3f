"""The runs that a study's networks take their first weights from, made before the grid."""

from __future__ import annotations

import shutil
from pathlib import Path

from fibrostage.cohort.store import open_cohort
from fibrostage.ground.errors import RunError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn.train import plan_for, train
from fibrostage.results.run_folder import METRICS, PLAN, read_json
from fibrostage.study.grid_file import StudyPlan, source_folder


def train_sources(study: StudyPlan, base: Path, out: Path, progress: Progress = SILENT) -> None:
    """Trains what is missing; raises `RunError` for a source that was trained otherwise than the study now says."""
    for name, source in study.source.items():
        cohort = open_cohort((base / source.cohort).resolve())
        plan = plan_for(cohort, source.plan, [], f"source {name}")
        folder = source_folder(out, name)
        if not (folder / METRICS).is_file():
            progress.say(f"source {name}: {cohort.name}")
            shutil.rmtree(folder, ignore_errors=True)  # what a killed one left
            train(cohort, plan, folder, progress)
            continue
        found, metrics = read_json(folder / PLAN), read_json(folder / METRICS)
        if found != plan.model_dump(mode="json") or metrics["cohort"]["fingerprint"] != cohort.fingerprint:
            raise RunError(
                f"{folder} was trained with another plan or cohort than source {name!r} has now; choose another --out"
            )
