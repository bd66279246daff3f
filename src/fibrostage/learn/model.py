"""A trained run on another cohort: every patient's probabilities, averaged over the run's folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from fibrostage import SIMULATED
from fibrostage.cohort.describe import space_of
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import RunError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn.checkpoint import load_network
from fibrostage.learn.features import features_of
from fibrostage.learn.learner import probabilities_of, resolve_precision
from fibrostage.learn.train import check_fit
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.fusion import MMFN
from fibrostage.plan.run_plan import Plan
from fibrostage.results.run_folder import METRICS, replace_file
from fibrostage.stats.evaluate import per_patient


def predict_cohort(run: Path, cohort: Cohort, target: Path, progress: Progress = SILENT) -> pl.DataFrame:
    """Writes and returns patient_id, stage called, p_<class> …; patients without usable images are left out."""
    if target.exists():
        raise RunError(f"{target} exists; choose another --out")
    if not target.parent.is_dir():
        raise RunError(f"cannot write {target}: there is no folder {target.parent}")
    models = sorted(run.glob("model*.safetensors"))
    if not models or not (run / METRICS).is_file():
        raise RunError(f"{run} holds no model of a finished run; make one with 'fibrostage train'")
    total: NDArray[np.float64] | None = None
    patients: NDArray[np.int64] = np.empty(0, dtype=np.int64)
    classes: tuple[str, ...] = ()
    for path in models:
        network, plan = load_network(path)
        check_fit(cohort, plan)
        classes = plan.staging.resolve().classes
        patients, table = predict_patients(network, plan, cohort, progress)
        total = table if total is None else total + table
    assert total is not None
    mean = total / len(models)
    if not np.isfinite(mean).all():
        raise RunError(f"the model of {run} gives probabilities that are not numbers; train it again")
    result = pl.DataFrame(
        {
            "patient_id": [cohort.patient_ids[row] for row in patients],
            "stage": [classes[k] for k in mean.argmax(axis=1)],
            **{f"p_{name}": mean[:, k] for k, name in enumerate(classes)},
        }
    )
    if cohort.simulated:
        result = result.with_columns(origin=pl.lit(SIMULATED))
    replace_file(target, lambda temporary: result.write_csv(temporary))
    return result


def predict_patients(
    network: MMFN, plan: Plan, cohort: Cohort, progress: Progress
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Patient rows [P] and mean probabilities [P, K] over at most `evaluation.candidates` each."""
    spec = BACKBONES[plan.network.backbone]
    precision = resolve_precision(plan.training.precision)
    mirror = plan.training.finetune == "head" and plan.training.mirror  # as the head was fitted
    features = {
        name: torch.from_numpy(features_of(cohort, name, spec, network.backbone(name), precision, progress, mirror))
        for name in plan.fused
    }
    space = space_of(cohort, plan.fused, plan.network.missing == "keep")
    usable = np.flatnonzero(space.per_patient > 0)
    ids = space.draw(usable, plan.evaluation.candidates, np.random.default_rng([plan.seed, 9]))
    return per_patient(space.patient_of(ids), probabilities_of(network.head, features, space, ids))
