"""How well a loop's model stages, told by the answers themselves: by the audits alone, and by all answers weighted.

Nobody learns from an audited patient, and they are a random sample: their accuracy is unbiased. All other answers are
of patients whom a strategy wanted and the model learned from. So each is staged by a model fitted without it, and
counts by the inverse of the chance with which it came to be answered. The naive figure, of what was asked for without
weights, is told beside them so that the difference is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.campaign.rounds import audited_patients, learned_from
from fibrostage.campaign.setting import CampaignSetting
from fibrostage.ground.draws import Draws
from fibrostage.ground.files import Json
from fibrostage.learn.learner import Learner, predict
from fibrostage.ledger.state import State
from fibrostage.results.run_folder import write_parquet
from fibrostage.stats.estimate import Estimate, undefined
from fibrostage.stats.poolings import POOLINGS
from fibrostage.stats.selection import chance_of_answer, weighted_accuracy, weighted_macro_auc

FEWEST_CROSS_FITTED = 10  # patients whose answers are staged by models fitted without them


@dataclass(frozen=True)
class Sample:
    """Answered patients: their rows [n], stages [n], what a model that never saw them says [n, K], and weights [n]."""

    rows: NDArray[np.int64]
    stages: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    weights: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)

    def figures(self, setting: CampaignSetting) -> dict[str, Estimate]:
        """Accuracy and average AUC, each by weight; undefined, with the reason, where patients do not define one."""
        plan = setting.plan
        if not len(self):
            return dict.fromkeys(("accuracy", "auc_macro"), undefined("nobody has answered yet"))
        right = self.probabilities.argmax(axis=1) == self.stages
        confidence = plan.evaluation.confidence
        auc = undefined("an AUC needs patients of two stages")
        if len(np.unique(self.stages)) > 1:
            resamples = plan.evaluation.bootstrap
            auc = weighted_macro_auc(self.stages, self.probabilities, self.weights, resamples, plan.seed, confidence)
        return {"accuracy": weighted_accuracy(right, self.weights, confidence), "auc_macro": auc}


def measured_by_answers(setting: CampaignSetting, state: State, round_: int) -> dict[str, Json]:
    """What the answers so far say of the model that has just been fitted: the payload of a "measured" event.

    Writes beside the run what the model says of everybody who is kept for audits, for curves over rounds.
    """
    kept = setting.reserve.drawn
    said = staged(setting, setting.learner, kept)
    table = reserve_table(setting, kept, said)
    write_parquet(setting.run.reserve_file(round_), table)
    audits = audit_sample(setting, state, dict(zip(kept.tolist(), said, strict=True)))
    asked, why = asked_sample(setting, state)
    everybody = weighted_together(setting, state, audits, asked)
    figures = {"audit": audits.figures(setting)}
    nothing = dict.fromkeys(("accuracy", "auc_macro"), undefined(why or "nobody was audited yet"))
    figures["weighted"] = everybody.figures(setting) if everybody is not None and not why else nothing
    figures["naive"] = asked.figures(setting) if not why else nothing
    return {
        "labels": len(state.labels),
        "n_audit": len(audits),
        "n_asked": len(asked),
        "figures": {which: {name: figure.as_dict() for name, figure in own.items()} for which, own in figures.items()},
    }


def staged(setting: CampaignSetting, learner: Learner, patients: NDArray[np.int64]) -> NDArray[np.float64]:
    """A model's probabilities [p, K] of patients (rows [p])."""
    plan, space = setting.plan, setting.task.space
    if not len(patients):
        return np.empty((0, len(setting.cohort.staging.classes)))
    ids = space.draw(np.sort(patients), plan.evaluation.candidates, Draws.EVALUATED.of(plan.seed))
    rows, probabilities = POOLINGS[plan.evaluation.pooling](space.patient_of(ids), predict(learner, ids))
    return np.asarray(probabilities[np.searchsorted(rows, patients)])


def reserve_table(
    setting: CampaignSetting, kept: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> pl.DataFrame:
    """reserve-R.parquet: a row a patient who is kept for audits, with the model's probabilities [n, K]."""
    names = setting.cohort.patient_ids
    columns = {f"p_{k}": probabilities[:, k] for k in range(probabilities.shape[1])}
    return pl.DataFrame({"patient_id": [names[row] for row in kept.tolist()], **columns})


def audit_sample(setting: CampaignSetting, state: State, said: Mapping[int, NDArray[np.float64]]) -> Sample:
    """The audited patients who have a stage, of whom the model says what `said` has by row; each stands for as many as
    came with the same cohort."""
    stages = patient_stages(setting, state, audited_patients(setting, state))
    rows = np.array(sorted(row for row in stages if row in said), dtype=np.int64)
    return sample(setting, rows, stages, lambda row: said[row], weights_by_arrival(setting, state, rows))


def asked_sample(setting: CampaignSetting, state: State) -> tuple[Sample, str]:
    """The patients whom the strategy asked about and who have a stage, each staged by a model fitted without it; and
    why not, where that cannot be had. All weigh the same."""
    stages = patient_stages(
        setting, state, frozenset(asked_patients(setting, state)) - audited_patients(setting, state)
    )
    rows = np.array(sorted(stages), dtype=np.int64)
    folds = setting.plan.loop.folds(setting.plan.training.finetune)
    empty = Sample(rows[:0], rows[:0], np.empty((0, len(setting.cohort.staging.classes))), np.empty(0))
    if not folds:
        return empty, "loop.cross_fit = 0: no model is fitted without each answer"
    if len(rows) < max(FEWEST_CROSS_FITTED, folds):
        return empty, f"it takes {max(FEWEST_CROSS_FITTED, folds)} answers to what was asked for, there are {len(rows)}"
    said = cross_fitted(setting, state, rows, folds)
    return sample(setting, rows, stages, lambda row: said[row], np.ones(len(rows))), ""


def cross_fitted(
    setting: CampaignSetting, state: State, rows: NDArray[np.int64], folds: int
) -> dict[int, NDArray[np.float64]]:
    """Probabilities [K] of each patient (rows [n]) by a model fitted to everybody's answers but those of its part."""
    part = Draws.CROSS_FIT.of(setting.plan.seed).permutation(len(rows)) % folds
    said: dict[int, NDArray[np.float64]] = {}
    for number in range(folds):
        own = rows[part == number]
        learner = setting.fresh_learner()
        learner.fit(learned_from(setting, state, frozenset(own.tolist())), setting.plan.seed)
        said |= dict(zip(own.tolist(), staged(setting, learner, own), strict=True))
    return said


def weighted_together(setting: CampaignSetting, state: State, audits: Sample, asked: Sample) -> Sample | None:
    """Audited and asked patients together, each weighted by the inverse of the chance with which it came to be
    answered; None before anybody was audited."""
    wanted = asked_patients(setting, state)
    wanted |= {row for query in state.issued for row in owners(setting, query.passed)}
    rows = np.concatenate([audits.rows, asked.rows])
    weights = np.zeros(len(rows))
    for arrival, counts in arrivals(setting, state).items():
        here = setting.reserve.arrival[rows] == arrival
        audited = int((setting.reserve.arrival[audits.rows] == arrival).sum())
        if audited:
            is_wanted = np.isin(rows[here], np.array(sorted(wanted), dtype=np.int64))
            weights[here] = 1 / chance_of_answer(counts.patients, counts.kept, audited, is_wanted)
    known = weights > 0
    if not known.any():
        return None
    return Sample(
        rows[known],
        np.concatenate([audits.stages, asked.stages])[known],
        np.concatenate([audits.probabilities, asked.probabilities])[known],
        weights[known],
    )


@dataclass(frozen=True)
class Arrival:
    """How many patients came with a cohort and could be asked about, and how many of them were kept for audits."""

    patients: int
    kept: int


def arrivals(setting: CampaignSetting, state: State) -> dict[int, Arrival]:
    """The arrivals by number, without patients whose stage came unasked."""
    came, told = setting.reserve.arrival, np.array(sorted(owners(setting, state.volunteered)), dtype=np.int64)
    open_ = came.copy()
    open_[told] = -1
    kept = setting.reserve.drawn[~np.isin(setting.reserve.drawn, told)]
    return {
        int(number): Arrival(int((open_ == number).sum()), int((came[kept] == number).sum()))
        for number in np.unique(open_[open_ >= 0])
    }


def weights_by_arrival(setting: CampaignSetting, state: State, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many patients each audited one (rows [n]) stands for, [n]: an equal part of those of the same arrival."""
    weights = np.ones(len(rows))
    for arrival, counts in arrivals(setting, state).items():
        here = setting.reserve.arrival[rows] == arrival
        weights[here] = counts.patients / max(int(here.sum()), 1)
    return weights


def asked_patients(setting: CampaignSetting, state: State) -> set[int]:
    """The rows of the patients whom the strategy asked about."""
    return {row for query in state.issued for row in owners(setting, set(query.items) - set(query.audit))}


def owners(setting: CampaignSetting, items: Collection[int]) -> set[int]:
    """The patients' rows of some items."""
    numbers = np.array(sorted(items), dtype=np.int64)
    return set(setting.units.patient_of(numbers).tolist())


def patient_stages(setting: CampaignSetting, state: State, patients: frozenset[int]) -> dict[int, int]:
    """The stage of each of some patients, by row, of those who have one: of several items, what most say."""
    votes: dict[int, list[int]] = {}
    for item, owner in zip(state.labels, setting.units.patient_of(state.items).tolist(), strict=True):
        if owner in patients:
            votes.setdefault(owner, []).append(state.labels[item])
    return {row: int(np.bincount(stages).argmax()) for row, stages in votes.items()}


def sample(
    setting: CampaignSetting,
    rows: NDArray[np.int64],
    stages: Mapping[int, int],
    said: Callable[[int], NDArray[np.float64]],
    weights: NDArray[np.float64],
) -> Sample:
    """A sample of patients' rows [n] with their weights [n]."""
    classes = len(setting.cohort.staging.classes)
    table = np.array([said(row) for row in rows.tolist()]).reshape(len(rows), classes)
    return Sample(rows, np.array([stages[row] for row in rows.tolist()], dtype=np.int64), table, weights)
