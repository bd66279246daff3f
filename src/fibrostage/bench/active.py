"""`bench active`: rounds that train a backbone's last blocks, as published and by a faster recipe, side by side.

Both ways play the same folds from the same starts in turn, so that a busy machine slows both alike; what is asked for
is the same strategy. Seconds a round are of asking, fitting and testing; the maps at the freeze boundaries, which are
made once for ever and are shared by all runs as memory-mapped files, are computed before anything is timed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from fibrostage.bench.curves import (
    CurvesFound,
    Way,
    check_starts,
    compared,
    curves_tables,
    plan_of_way,
    play_ways,
    seconds_table,
)
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn.learner import make_learner
from fibrostage.learn.task import make_task

PUBLISHED, FAST = "as published", "fast"
RECIPE: dict[str, object] = {  # of docs/results.md
    "network": {"share_backbone": True},
    "training": {"finetune": "last", "epochs": 10, "backbone_lr": 3e-4, "head_lr": 1e-3},
    "active": {
        "strategy": "random",
        "start": "stratified",
        "shares": [0.1, 0.2, 0.3, 0.4, 0.5],
        "epochs": 6,
    },
}
FASTER = ("training.blocks=2", "active.epochs=2", "training.batch=4", "training.backbone_lr=6e-4")


def bench_active(
    cohort: Cohort,
    starts: int = 1,
    folds: int | None = None,
    overrides: Sequence[str] = (),
    faster: Sequence[str] = FASTER,
    out: Path | None = None,
    progress: Progress = SILENT,
) -> CurvesFound:
    """Both ways on the first `folds` folds (or all), from so many starts; `faster` are the plan values that make the
    second. With `out`, runs are kept there and not played again.

    Raises `PlanError` for a plan that cannot be followed, that does not train the last blocks, or whose starts cannot
    be paired.
    """
    ways = [Way(PUBLISHED, tuple(overrides)), Way(FAST, (*overrides, *faster))]
    plans = [plan_of_way(cohort, RECIPE, way, 0, 0) for way in ways]
    if any(plan.training.finetune != "last" for plan in plans):
        raise PlanError('bench active times rounds that train the last blocks; leave training.finetune = "last"')
    check_starts(plans[0], starts)
    task = make_task(cohort, plans[0])
    if folds is not None and not 1 <= folds <= len(task.folds):
        raise PlanError(f"--folds {folds}: the split has {len(task.folds)}")
    for plan in plans:
        make_learner(cohort, plan, task.space, task.folds[0].train, 0, progress)  # so that the maps are there
    with tempfile.TemporaryDirectory(prefix="fibrostage-") as scratch:
        where = Path(scratch) if out is None else out
        numbers = range(len(task.folds) if folds is None else folds)
        played = play_ways(cohort, RECIPE, ways, range(starts), numbers, where, progress)
        budgets = compared(cohort, played, plans[0].evaluation.bootstrap)
    threads = torch.get_num_threads()
    title = (
        f"{cohort.name}: {plans[0].active.strategy}, {len(numbers)} folds × {starts} starts, {threads} threads; "
        f"fast is {', '.join(faster)}"
    )
    return CurvesFound(
        title, cohort.simulated, cohort.caveats, (seconds_table(played), *curves_tables(budgets, PUBLISHED))
    )
