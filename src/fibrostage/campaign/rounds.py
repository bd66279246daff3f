"""One round's fit and its figures."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.campaign.budget import total_cost
from fibrostage.campaign.setting import CampaignSetting
from fibrostage.campaign.stopping import asked_rules
from fibrostage.ground.draws import Draws
from fibrostage.ground.errors import RunError
from fibrostage.learn.checkpoint import save_state
from fibrostage.learn.fit_head import Examples
from fibrostage.learn.learner import predict
from fibrostage.learn.patient_predictions import predictions_of, test_predictions
from fibrostage.learn.run_metrics import candidate_figures, evaluate_predictions
from fibrostage.learn.task import examples_of
from fibrostage.ledger.state import State
from fibrostage.results.predictions import VALIDATION
from fibrostage.results.round_predictions import keep_round, round_rows
from fibrostage.results.rounds import AT_CUT, Round
from fibrostage.stats.agreement import confusion, kappa
from fibrostage.stats.estimate import Estimate

WATCHED = 1000  # candidates of the pool whose predicted stages are compared from round to round


def fit_round(setting: CampaignSetting, state: State, round_: int) -> Round:
    """Fits on everything that is known, saves the weights, and returns the round's figures.

    Raises `RunError` where nothing that was asked for could be labelled, or the fit broke down.
    """
    plan, learner, run = setting.plan, setting.learner, setting.run
    if not has_model(setting, state, round_ + 1):
        raise RunError(f"round {round_}: no item that was asked for could be labelled, so there is nothing to fit")
    watched = watched_candidates(setting) if round_ and watches_pool(setting) else None
    before = None if watched is None else predict(learner, watched).argmax(axis=1)
    if not plan.active.warm_start:
        learner.restore(setting.fresh_learner().state())
    epochs = plan.active.epochs if round_ and plan.active.warm_start else None
    try:
        noted = setting.tracking.epochs(f"round {round_}")
        learner.fit(learned_from(setting, state), plan.seed + 1000 * (round_ + 1), epochs=epochs, noted=noted)
        tested = test_predictions(learner, setting.task, setting.fold) if len(setting.fold.test) else None
    except RunError as error:
        raise RunError(f"round {round_}: {error}") from None
    if tested is not None:
        keep_round(run, round_rows(tested, plan.staging.resolve(), plan.active.strategy, round_))
    save_state(run.state_file(round_), learner.state(), {"round": str(round_)})
    agreement = None
    if watched is not None and before is not None:
        agreement = agreement_of(before, predict(learner, watched).argmax(axis=1), learner.head.classes)
    closed = measured(setting, state, round_, tested, agreement)
    shown = {key: value for key, value in closed.as_row().items() if not key.endswith(("lo", "hi"))}
    run.log(event="round", **shown)
    setting.tracking.note("figures", shown, round_)
    return closed


def learned_from(setting: CampaignSetting, state: State, without: Collection[int] = frozenset()) -> Examples:
    """Candidates of everything labelled, and of the patients whose stage was known before, but of none in `without`.

    An answer about a patient whose stage was known stands in its place.
    """
    labels = taught(setting, state)
    if without:
        owners = setting.units.patient_of(np.array(list(labels), dtype=np.int64)).tolist()
        labels = {item: labels[item] for item, owner in zip(labels, owners, strict=True) if owner not in without}
    items = np.array(list(labels), dtype=np.int64)
    known = np.setdiff1d(setting.known, setting.units.patient_of(items))
    parts = []
    if len(known):
        parts.append(examples_of(setting.task, known, setting.plan.seed))
    for told in ballots(setting, state, labels):
        parts.append(setting.units.examples(items, told, setting.plan.seed))
    if len(parts) == 1:
        return parts[0]
    return Examples(np.concatenate([p.rows for p in parts]), np.concatenate([p.stages for p in parts]))


def ballots(setting: CampaignSetting, state: State, labels: Mapping[int, int]) -> list[NDArray[np.int64]]:
    """The stages [L] that `labels` are learned with, several times over where readers' votes count by their share: each
    item's votes as often as the smallest number of times that is whole for all."""
    if not labels:
        return []
    if setting.plan.loop.teach != "votes" or setting.plan.loop.readers == 1:
        return [np.array(list(labels.values()), dtype=np.int64)]
    votes = [votes_on(state, item, stage) for item, stage in labels.items()]
    times = math.lcm(*(len(each) for each in votes))
    return list(np.array([np.repeat(each, times // len(each)) for each in votes], dtype=np.int64).T)


def votes_on(state: State, item: int, stage: int) -> list[int]:
    """The stages that readers gave an item, the latest of each; once it is settled, the one that stands."""
    if item in state.settled:
        return [stage]
    latest = {reading.who: reading.stage for reading in state.readings.get(item, ())}
    return [each for each in latest.values() if each >= 0] or [stage]


def taught(setting: CampaignSetting, state: State) -> dict[int, int]:
    """The labels that are learned from, in the order in which they were given.

    All of them, but those of patients who are audited, until nothing more is asked, and those in dispute of a loop that
    learns from what several readers agree on.
    """
    labels = state.labels
    if setting.plan.loop.readers > 1 and setting.plan.loop.teach == "consensus":
        labels = {item: stage for item, stage in labels.items() if item not in state.disputed}
    if state.stopped is not None or not state.audited:
        return labels
    apart = audited_patients(setting, state)
    owners = setting.units.patient_of(np.array(list(labels), dtype=np.int64)).tolist()
    return {item: stage for (item, stage), owner in zip(labels.items(), owners, strict=True) if owner not in apart}


def audited_patients(setting: CampaignSetting, state: State) -> frozenset[int]:
    """The rows of the patients who were drawn for an audit."""
    items = np.array(sorted(state.audited), dtype=np.int64)
    return frozenset(setting.units.patient_of(items).tolist())


def has_model(setting: CampaignSetting, state: State, round_: int) -> bool:
    """Whether there is something to fit a model to before a round asks."""
    return bool(len(setting.known) or (round_ and taught(setting, state)))


def measured(
    setting: CampaignSetting, state: State, round_: int, tested: pl.DataFrame | None, agreement: float | None
) -> Round:
    """The round's figures, of test patients where there are any."""
    plan, task = setting.plan, setting.task
    own = np.array([item for item, asked in state.label_rounds.items() if asked == round_], dtype=np.int64)
    bad = setting.selector.is_bad(own)
    figures: dict[str, Estimate] = {}
    patients = 0
    if tested is not None:
        evaluation = evaluate_predictions(tested, task)
        figures = {"accuracy": evaluation.accuracy, "auc_macro": evaluation.auc_macro}
        figures |= {AT_CUT + cut: figure for cut, figure in evaluation.auc_at_cut.items()}
        figures |= candidate_figures(tested, task)
        patients = evaluation.n_patients
    validation_auc = None
    if len(setting.aside):
        known = predictions_of(setting.learner, task, setting.fold, setting.aside, VALIDATION)
        validation_auc = evaluate_predictions(known, task, VALIDATION).auc_macro.value
    return Round(
        round_,
        total_cost(setting.units, state.paid, plan.cost, setting.aside),
        items=len(state.labels),
        asked=len(state.spent),
        next_items=setting.following(round_, len(state.spent)),
        rejected=len(state.rejected),
        bad_share=float(bad.mean()) if len(bad) else None,
        share=len(state.paid) / setting.capacity,
        n_patients=patients,
        figures=figures,
        validation_auc=validation_auc,
        validated=bool(len(setting.aside)),
        agreement=agreement,
    )


def watches_pool(setting: CampaignSetting) -> bool:
    """Whether a stopping rule of the plan looks at how predictions on the pool change."""
    return any(rule.watches_pool for rule in asked_rules(setting.plan.stopping))


def watched_candidates(setting: CampaignSetting) -> NDArray[np.int64]:
    """A few candidates [n] of the pool's patients, the same in every round."""
    ids = setting.task.space.draw(setting.askable, 4, Draws.WATCHED.of(setting.plan.seed))
    return ids[:: max(1, len(ids) // WATCHED)]


def agreement_of(before: NDArray[np.int64], now: NDArray[np.int64], classes: int) -> float:
    """Cohen's κ of two lists of stages [n]; 1 where both are the same single stage throughout."""
    value = kappa(confusion(before, now, classes), "none").value
    return 1.0 if value is None else value
