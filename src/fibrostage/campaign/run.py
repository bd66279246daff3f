"""The retrospective run: a campaign whose oracle is the archive, from its first question to its last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from fibrostage.active.query_units.spec import QueryUnit
from fibrostage.active.strategy_expression import title_of
from fibrostage.campaign.budget import total_cost
from fibrostage.campaign.campaign import Campaign, answered_by
from fibrostage.campaign.carried_labels import Carried
from fibrostage.campaign.oracles.archive import Archive
from fibrostage.campaign.setting import CampaignSetting, retrospective
from fibrostage.cohort.store import Cohort
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn.checkpoint import save_network
from fibrostage.learn.lacking import Member
from fibrostage.learn.participants import participants_of
from fibrostage.learn.patient_predictions import method_name, test_predictions
from fibrostage.learn.run_metrics import evaluate_predictions, metrics_of, participant_flow
from fibrostage.learn.without import without_modalities
from fibrostage.ledger.state import State
from fibrostage.plan.run_plan import Plan
from fibrostage.results.rounds import curve_table
from fibrostage.results.run_folder import RunFolder, write_parquet
from fibrostage.stats.calling import Calling


def run_active(
    cohort: Cohort,
    plan: Plan,
    out: Path,
    resume: bool = False,
    progress: Progress = SILENT,
    ledger_url: str | None = None,
    carried: Callable[[QueryUnit], Carried] | None = None,
) -> pl.DataFrame:
    """One retrospective run on one fold of the split; returns the learning curve and writes the run folder.

    `carried` brings labels of another run along; they are the first round. Raises `RunError` where there is something
    at `out` already, or with `resume` nothing to go on with, and `PlanError` for a plan that cannot be followed.
    """
    run = RunFolder(out)
    if not resume:
        run.check_free()
    setting = retrospective(cohort, plan, run, progress)
    brought = carried(setting.units) if carried else None
    with Campaign.open(setting, resume, ledger_url, brought) as campaign:
        setting = campaign.setting
        archive = Archive(
            setting.units, setting.cohort.stages, len(setting.cohort.staging.classes), plan.oracle, plan.seed
        )
        progress.say(
            f"{title_of(plan.active.strategy)} on {method_name(plan)}: {len(setting.targets)} rounds, "
            f"{setting.capacity} {setting.units.name}s of {len(setting.askable)} patients"
        )
        with progress.task("rounds", len(setting.targets)) as advance:
            advance(campaign.round)
            while not campaign.over:
                play_round(campaign, archive, brought)
                advance(1)
        return finish(setting, campaign.state)


def play_round(campaign: Campaign, archive: Archive, carried: Carried | None) -> None:
    """Asks, answers from the archive or from what was carried over, and closes; what was done already is not done
    again."""
    question = campaign.ask()
    if campaign.over:
        return
    if question is not None:
        items = np.array(question.items, dtype=np.int64)
        if carried is not None and question.round == 0:
            campaign.tell(answered_by(items, carried.answers(items)), carried.who)
        else:
            bad = campaign.setting.selector.is_bad(items) if archive.plan.rejects_bad else None
            campaign.tell(answered_by(items, archive.answer(items, bad)), archive.name)
    campaign.close()


def finish(setting: CampaignSetting, state: State) -> pl.DataFrame:
    """The files of a finished run: the curve, who was asked about and who tests, and of the last round the predictions,
    also where modalities are withheld, the figures and the network."""
    plan, task, run, learner = setting.plan, setting.task, setting.run, setting.learner
    strategy = plan.active.strategy
    curve = curve_table(state.closed, strategy, method_name(plan), plan.seed, setting.fold.label)
    write_parquet(run.curve_file, curve)
    predictions = test_predictions(learner, task, setting.fold)
    write_parquet(run.predictions_file, predictions)
    withheld = without_modalities(learner, Member(learner.head, Calling(), None), task, setting.fold)
    if withheld is not None:
        write_parquet(run.by_modality_file, withheld)
    write_parquet(run.participants_file, participants_of(task, [setting.fold]))
    taught = np.union1d(np.unique(setting.units.patient_of(state.items)), setting.aside)
    save_network(run.model_file(), learner.network(), plan, task.cohort, taught)
    metrics = metrics_of(
        evaluate_predictions(predictions, task),
        task,
        strategy=strategy,
        strategy_title=title_of(strategy),
        flow=participant_flow(task),
        unit=setting.units.name,
        fold=setting.fold.label,
        labelled=total_cost(setting.units, state.paid, plan.cost, setting.aside),
        pool=setting.capacity,
        rounds=len(state.closed),
        stopped=state.stopped or ("everything is labelled" if len(setting.open_pool(state)) == 0 else "rounds"),
    )
    run.write_metrics(metrics)
    return curve
