"""`bench calibration`: do probabilities mean what they say, on a cohort of the user's own?

The same patients and divisions, five-fold, again and again with other seeds, three ways: the head with its fixed
penalty and as it is; with the penalty that was chosen and the map that was fitted on the training patients; and a
logistic regression on the mean features of a patient, its penalty cross-validated by log loss on the training patients
too."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fibrostage.bench.timing import machine
from fibrostage.cohort.best_reader import best_reader
from fibrostage.cohort.store import Cohort
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn.learner import make_learner
from fibrostage.learn.plan_for_cohort import plan_for
from fibrostage.learn.task import Task, make_task
from fibrostage.learn.train import train
from fibrostage.plan.commands import TRAIN
from fibrostage.plan.run_plan import Plan
from fibrostage.results.metrics import PatientFigures, patient_figures
from fibrostage.stats.evaluate import evaluate

WAYS = {
    "fixed penalty, as it is": ("training.frozen_l2=0.1", "calibration.map=none"),
    "chosen penalty, as it is": ("calibration.map=none",),
    "chosen penalty, calibrated": (),
}
REGRESSION = "logistic regression on mean features"
PENALTIES = 10.0 ** np.arange(-4.5, 0.6, 0.5)  # of the regression, as scikit-learn's C


def bench_calibration(
    cohort: Cohort, seeds: int = 10, overrides: tuple[str, ...] = (), progress: Progress = SILENT
) -> dict[str, Any]:
    """Every way's figures, their mean over the seeds and how far they spread."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in (*WAYS, REGRESSION)}
    plan = plan_of(cohort, 0, overrides)
    for seed in range(seeds):
        for name, more in WAYS.items():
            with tempfile.TemporaryDirectory() as folder:
                figures = train(cohort, plan_of(cohort, seed, (*overrides, *more)), Path(folder) / "run", progress)
            found[name].append(flat(figures))
        found[REGRESSION].append(flat(regression(make_task(cohort, plan_of(cohort, seed, overrides)))))
    rows = [
        {"way": name, "figures": {key: spread([one.get(key) for one in each]) for key in each[0]}}
        for name, each in found.items()
    ]
    return {
        "cohort": cohort.name,
        "simulated": cohort.simulated,
        "modalities": list(plan.fused),
        "patients": len(make_task(cohort, plan).folds[0].train) + len(make_task(cohort, plan).folds[0].test),
        "seeds": seeds,
        "best_reader": best_reader(cohort.path, plan.fused),
        "machine": machine(),
        "rows": rows,
    }


def plan_of(cohort: Cohort, seed: int, overrides: tuple[str, ...]) -> Plan:
    """The plan of one seed: five folds, and no intervals that nobody looks at."""
    usual = ("split.scheme=kfold", "split.folds=5", "evaluation.bootstrap=100", f"seed={seed}")
    return plan_for(cohort, {}, [*usual, *overrides], "bench calibration", TRAIN)


def regression(task: Task) -> PatientFigures:
    """Figures of the logistic regression over all folds."""
    from sklearn.linear_model import LogisticRegressionCV

    stages = task.cohort.stages
    rows: list[NDArray[np.int64]] = []
    tables: list[NDArray[np.float64]] = []
    for fold in task.folds:
        learner = make_learner(task.cohort, task.plan, task.space, fold.train, task.plan.seed)
        features = np.concatenate(
            [means(task, name, learner.features[name].numpy().astype(np.float64)) for name in task.plan.fused], axis=1
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = LogisticRegressionCV(Cs=PENALTIES, cv=5, scoring="neg_log_loss", max_iter=2000)
            model.fit(features[fold.train], stages[fold.train])
        table = np.zeros((len(fold.test), len(task.cohort.staging.classes)))
        table[:, model.classes_] = model.predict_proba(features[fold.test])
        rows.append(fold.test)
        tables.append(table)
    truth = stages[np.concatenate(rows)]
    found = evaluate(truth, np.concatenate(tables), task.cohort.staging, 100, task.plan.seed)
    return PatientFigures.model_validate(patient_figures(found))


def means(task: Task, modality: str, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean features [patients, C] of each patient's images of a modality, [n, C]; zeros for who has none."""
    owners, patients = task.cohort.owners(modality), len(task.cohort.patients)
    sums = np.zeros((patients, features.shape[1]))
    np.add.at(sums, owners, features)
    return np.asarray(sums / np.maximum(np.bincount(owners, minlength=patients), 1)[:, None])


def flat(figures: PatientFigures) -> dict[str, float]:
    """A run's figures by name; what is not defined is left out."""
    last = figures.classes[-1]
    named = {
        "log loss": figures.log_loss,
        "Brier": figures.brier,
        "accuracy": figures.accuracy,
        "kappa": figures.kappa,
        f"{last} called so": figures.recall[last],
        **{f"slope {cut}": one.slope for cut, one in figures.calibration.items()},
        **{f"AUC {cut}": one for cut, one in figures.auc_at_cut.items()},
    }
    return {name: one.value for name, one in named.items() if one is not None and one.value is not None}


def spread(values: list[float | None]) -> Mapping[str, float]:
    """Mean, least and most of the seeds' values."""
    known = [value for value in values if value is not None]
    return {"mean": float(np.mean(known)), "least": min(known), "most": max(known)} if known else {}
