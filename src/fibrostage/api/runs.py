"""A supervised run: fitted, evaluated on patients whom it had not seen, and opened again later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from fibrostage.api.frames import read_predictions
from fibrostage.api.plans import PathGiven, PlanGiven, plan_to_run
from fibrostage.api.progress import default_progress
from fibrostage.cohort.in_bucket import open_given
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import RunError
from fibrostage.ground.notebook import show_as
from fibrostage.ground.progress import Progress
from fibrostage.ground.shards import RayShards
from fibrostage.learn.learner import compute_ahead
from fibrostage.learn.train import train as fit_and_evaluate
from fibrostage.plan.commands import TRAIN
from fibrostage.results.metrics import Metrics
from fibrostage.results.run_folder import RunFolder
from fibrostage.views.notebook import metrics_html

CohortGiven = Cohort | Path | str
show_as(Metrics, metrics_html)


@dataclass(frozen=True)
class FinishedRun:
    """A finished run in its folder; a notebook shows its figures."""

    path: Path

    @cached_property
    def metrics(self) -> Metrics:
        """The run's figures, each with its interval: `metrics.accuracy.value`, `metrics.auc_at_cut["F2"].lo`."""
        return RunFolder(self.path).read_metrics()

    @cached_property
    def predictions(self) -> pl.DataFrame:
        """What the run says of its test patients, a row a candidate (`read_predictions`)."""
        return read_predictions(self.path)

    def _repr_html_(self) -> str:
        return metrics_html(self.metrics)


def open_run(folder: PathGiven) -> FinishedRun:
    """Opens the folder of a finished run. Raises `RunError` where it holds none, or it is damaged.

    >>> run = open_run("RUN")
    >>> run.metrics.method, run.metrics.n_patients
    ('LSTE+LUS+table', 4)
    """
    path = Path(folder)
    if not RunFolder(path).finished:
        raise RunError(f"{path} holds no finished run")
    run = FinishedRun(path)
    run.metrics  # noqa: B018  what is damaged is said at once
    return run


def train(
    cohort: CohortGiven,
    out: PathGiven,
    plan: PlanGiven = None,
    *,
    recipe: str | None = None,
    overrides: Sequence[str] = (),
    everybody: bool = False,
    engine: RayShards | None = None,
    progress: Progress | None = None,
) -> FinishedRun:
    """Fits a network and evaluates it on held-out patients, of every fold with kfold or column; writes the run folder.

    `plan` is a file, a mapping or a plan, and lies over the `recipe`; `overrides` lie over both, as
    "training.epochs=5". With `everybody` another network is fitted on all labelled patients, for new ones. With an
    `engine` (`fibrostage.ground.shards`) a Ray cluster computes a frozen backbone's features before the fit. Raises
    `PlanError` for a plan that cannot be followed on this cohort, and `RunError` where there is something at `out`.

    >>> run = train("COHORT", "NEW_RUN", overrides=["training.epochs=1", "evaluation.bootstrap=100"])
    >>> run.metrics.n_patients
    4
    >>> run.predictions.columns[:3]
    ['patient_id', 'candidate', 'split']
    """
    opened, told = opened_cohort(cohort), default_progress(progress)
    parsed = plan_to_run(opened, plan, recipe, overrides, TRAIN, "mmfn", told)
    if engine is not None:
        compute_ahead(opened, parsed, engine, told)
    fit_and_evaluate(opened, parsed, Path(out), told, everybody)
    return FinishedRun(Path(out))


def opened_cohort(cohort: CohortGiven) -> Cohort:
    """A cohort, opened where it is given by its folder or place in a bucket; raises as `open_given` does."""
    return cohort if isinstance(cohort, Cohort) else open_given(cohort)
