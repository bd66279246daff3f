"""Labels that held-out predictions contradict: which patients' stages deserve a second look.

Confident learning (Northcutt et al. 2021) by cleanlab, on predictions of patients who were not trained on. It finds
labels that are at odds with the pictures; whether label or picture is wrong, a person decides.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from fibrostage.ground.errors import PlanError, RunError
from fibrostage.ground.stage import Staging
from fibrostage.plan.staging import StagingPlan
from fibrostage.results.predictions import scores_of
from fibrostage.results.run_folder import RunFolder
from fibrostage.results.study_folder import StudyFolder

LEAST = 20  # patients; fewer say nothing about how labels are confused


def find_doubts(folder: Path) -> pl.DataFrame:
    """Lists the held-out patients of a run, or of a study's runs together, the most doubtful label first.

    Columns: patient_id, stage, called, quality (the label's, 0 to 1) and doubtful (whether confident learning counts it
    as an error). Raises `RunError` where the folder holds no finished run or study, `PlanError` where a study is of
    supervised runs or of several methods, and what `doubts_of` raises.
    """
    runs = runs_in(folder)
    metrics = [run.read_metrics() for run in runs]
    if len({one.method for one in metrics}) > 1:
        raise PlanError(f"{folder} holds several methods; give one run's folder")
    predictions = pl.concat([run.read_predictions() for run in runs])
    return doubts_of(predictions, metrics[0].staging(StagingPlan.model_validate(runs[0].read_plan()["staging"]).name))


def runs_in(folder: Path) -> list[RunFolder]:
    """The run in a folder, or every finished run of the active study in it: whatever they asked by, all of them.

    Raises `RunError` for a folder that is neither, and `PlanError` for a study of supervised runs.
    """
    if RunFolder(folder).finished:
        return [RunFolder(folder)]
    study = StudyFolder(folder)
    if not study.finished:
        raise RunError(f"{folder} holds neither a finished run nor a finished study")
    record = study.read()
    if record.supervised:
        raise PlanError(f"{folder} is a study of supervised runs; give one run's folder, e.g. of {folder}/runs")
    return list(study.runs(record))


def doubts_of(predictions: pl.DataFrame, staging: Staging) -> pl.DataFrame:
    """Ranks the test patients of a table of predictions by how far the predictions contradict their stage.

    Columns are those of `find_doubts`. Raises `PlanError` where cleanlab is not installed, and `RunError` for fewer
    than 20 patients.
    """
    try:
        from cleanlab.filter import find_label_issues
        from cleanlab.rank import get_label_quality_scores
    except ImportError:
        raise PlanError("doubts needs cleanlab: install fibrostage with its extra [noise]") from None
    held_out = scores_of(predictions, staging)
    patients, stages, probabilities = held_out.patients, held_out.stages, held_out.probabilities
    if len(stages) < LEAST:
        raise RunError(f"{len(stages)} held-out patients; doubts needs at least {LEAST}, e.g. of a kfold run")
    present = np.unique(stages)
    known = probabilities[:, present] / probabilities[:, present].sum(axis=1, keepdims=True)
    labels = np.searchsorted(present, stages)
    doubtful = find_label_issues(labels, known, n_jobs=1)
    table = pl.DataFrame(
        {
            "patient_id": patients,
            "stage": [staging.classes[k] for k in stages],
            "called": [staging.classes[k] for k in held_out.called],
            "quality": get_label_quality_scores(labels, known),
            "doubtful": doubtful,
        }
    )
    return table.sort("doubtful", "quality", "patient_id", descending=[True, False, False])
