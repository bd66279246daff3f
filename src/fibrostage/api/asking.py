"""Runs that ask: played back from an archive as a whole, or question by question."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from fibrostage.api.plans import PathGiven, PlanGiven, plan_to_run
from fibrostage.api.progress import default_progress
from fibrostage.api.runs import CohortGiven, FinishedRun, opened_cohort
from fibrostage.campaign.campaign import Campaign, Question
from fibrostage.campaign.carried_labels import carry
from fibrostage.campaign.run import run_active as play_back
from fibrostage.campaign.setting import retrospective
from fibrostage.cohort.store import Cohort
from fibrostage.ground.progress import Progress
from fibrostage.plan.commands import ACTIVE
from fibrostage.plan.run_plan import Plan
from fibrostage.results.run_folder import RunFolder


def run_active(
    cohort: CohortGiven,
    out: PathGiven,
    plan: PlanGiven = None,
    *,
    recipe: str | None = None,
    overrides: Sequence[str] = (),
    resume: bool = False,
    labels: PathGiven | None = None,
    ledger: str | None = None,
    progress: Progress | None = None,
) -> FinishedRun:
    """One retrospective active-learning run, whose answers the archive gives; `read_curve` has what labels bought.

    With `resume` it goes on with the run at `out`, by that run's own plan where none is given. `labels` are answers of
    another run ('ledger export'); they are the first round. `ledger` is the URL of a PostgreSQL database. Raises
    `RunError` where there is something at `out` already, or nothing to resume, and `PlanError` for a plan that cannot
    be followed.

    >>> run = run_active("COHORT", "NEW_ASKED", overrides=["active.rounds=1", "active.strategy=random"])
    >>> run.metrics.strategy, run.metrics.rounds
    ('random', 2)
    """
    opened, told, target = opened_cohort(cohort), default_progress(progress), Path(out)
    parsed = plan_of_asking(opened, target, plan, recipe, overrides, resume, told)
    classes = parsed.staging.resolve().classes
    source = None if labels is None else Path(labels)
    brought = None if source is None else lambda units: carry(source, units, opened.patient_ids, classes)
    play_back(opened, parsed, target, resume, told, ledger, brought)
    return FinishedRun(target)


def open_campaign(
    cohort: CohortGiven,
    out: PathGiven,
    plan: PlanGiven = None,
    *,
    recipe: str | None = None,
    overrides: Sequence[str] = (),
    resume: bool = False,
    ledger: str | None = None,
    progress: Progress | None = None,
) -> Campaign:
    """A campaign question by question: `ask`, `tell` the answers, `close` the round; `leave` it, or use `with`.

    It asks about training patients of the plan's fold, whatever the answers are taken from; a clinic's own loop, about
    patients whom nobody has staged, is begun with 'fibrostage loop new'. Raises as `run_active` does.

    >>> with open_campaign("COHORT", "CAMPAIGN", overrides=["active.rounds=1", "active.unit=patient"]) as campaign:
    ...     question = campaign.ask()
    ...     asked = ask_table(campaign, question)
    ...     known = dict(zip(campaign.setting.cohort.patient_ids, campaign.setting.cohort.stages.tolist()))
    ...     state = campaign.tell({row["item"]: known[row["patient_id"]] for row in asked.to_dicts()}, who="archive")
    ...     closed = campaign.close()
    >>> closed.round, len(state.labels) == len(question.items)
    (0, True)
    """
    opened, told, target = opened_cohort(cohort), default_progress(progress), Path(out)
    parsed = plan_of_asking(opened, target, plan, recipe, overrides, resume, told)
    run = RunFolder(target)
    if not resume:
        run.check_free()
    return Campaign.open(retrospective(opened, parsed, run, told), resume, ledger)


def ask_table(campaign: Campaign, question: Question) -> pl.DataFrame:
    """What a question is about, a row an item: item, patient_id, an image_id a modality (null where there is none), and
    the score where the strategy gives one.

    >>> with open_campaign("COHORT", "SHOWN", overrides=["active.rounds=1"]) as campaign:
    ...     ask_table(campaign, campaign.ask()).columns
    ['item', 'patient_id', 'LSTE', 'LUS', 'score']
    """
    units, cohort = campaign.setting.units, campaign.setting.cohort
    items = np.array(question.items, dtype=np.int64)
    rows, owners = units.rows(items), units.patient_of(items)
    found: dict[str, object] = {"item": items, "patient_id": [cohort.patient_ids[row] for row in owners]}
    for column, name in enumerate(units.space.modalities):
        if name in cohort.measurements or units.whole_patient:
            continue  # a patient's measurements are no picture, and a whole patient is asked about by all of them
        ids = cohort.images_of(name)["image_id"]
        found[name] = [None if row < 0 else ids[int(row)] for row in rows[:, column]]
    found["score"] = pl.Series(question.scores or [None] * len(items), dtype=pl.Float64)
    return pl.DataFrame(found)


def plan_of_asking(
    cohort: Cohort,
    out: Path,
    plan: PlanGiven,
    recipe: str | None,
    overrides: Sequence[str],
    resume: bool,
    progress: Progress,
) -> Plan:
    """The plan of a run that asks; the one that a resumed run was begun with, where none is given and overrides say no
    more than how it is watched."""
    if resume and plan is None and not recipe and all(one.startswith("tracking.") for one in overrides):
        plan = RunFolder(out).plan_file
    return plan_to_run(cohort, plan, recipe, overrides, ACTIVE, "mmfn-al", progress)
