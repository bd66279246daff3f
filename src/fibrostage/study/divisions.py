"""Who trains and who tests in a study's runs, and whether two methods were tested on the same patients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError
from fibrostage.plan.run_plan import Plan
from fibrostage.study.grid_file import Run


def held_out_ratio(cohort: Cohort, plan: Plan) -> float:
    """Test over training patients of a plan's split; who validates does not train."""
    from fibrostage.learn.task import make_task

    folds = make_task(cohort, plan).folds
    return sum(len(fold.test) / (len(fold.train) * (1 - plan.split.validation)) for fold in folds) / len(folds)


def check_same_divisions(runs: Sequence[Run]) -> None:
    """Raises `PlanError` where methods would test on different patients, or report different cohorts.

    Runs that ask are compared within each of the grid's `splits`, which may divide otherwise on purpose.
    """
    firsts: dict[str, Run] = {}
    for run in runs:
        first = firsts.setdefault("" if run.supervised else run.split, run)
        mine, its = division(first.plan), division(run.plan)
        for key in mine:
            if mine[key] != its[key]:
                raise PlanError(
                    f"{first.method} has {key} = {mine[key]!r} and {run.method} {its[key]!r}: what is compared must be "
                    f"tested on the same patients; give {key} under [plan]"
                )


def division(plan: Plan) -> dict[str, Any]:
    """The keys that decide who tests and which cohorts are reported."""
    split = plan.split.model_dump(exclude={"use"})
    return {f"split.{key}": value for key, value in split.items()} | {"evaluation.training": plan.evaluation.training}
