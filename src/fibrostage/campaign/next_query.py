"""What a round asks for: the strategy's choice, and of a loop some patients drawn at random among it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.pool import Pool
from fibrostage.active.query_selector import NOTHING, Answered, Query, nothing
from fibrostage.campaign.budget import within_budget
from fibrostage.campaign.first_query import first_query
from fibrostage.campaign.rounds import has_model, taught
from fibrostage.campaign.setting import CampaignSetting
from fibrostage.ground.draws import Draws
from fibrostage.ledger.events import Event
from fibrostage.ledger.state import State


@dataclass(frozen=True)
class RoundQuery:
    """Items [n] with their scores [n] where the strategy gives one to each; `audit` are those of them that were drawn
    at random, `passed` those that the strategy wanted and that are kept for later audits."""

    items: NDArray[np.int64]
    scores: NDArray[np.float64] | None = None
    audit: NDArray[np.int64] = field(default_factory=nothing)
    passed: NDArray[np.int64] = field(default_factory=nothing)


def next_query(setting: CampaignSetting, state: State, round_: int, count: int) -> RoundQuery:
    """Makes a round's query of `count` items. The model must be as the last round left it."""
    pool = setting.open_pool(state)
    fitted = has_model(setting, state, round_)

    def choose(number: int) -> Query:
        if not fitted:
            return first_query(setting.selector, pool, setting.cohort.stages, number)
        learned = taught(setting, state)
        items, stages = np.array(list(learned), np.int64), np.array(list(learned.values()), np.int64)
        return setting.selector.query(pool, number, round_, Answered(items, stages))

    waiting = waiting_reserve(setting, pool, state)
    if not len(setting.reserve.drawn):
        query = choose(count)
        return RoundQuery(query.items, query.scores)
    audits = min(setting.reserve.due(len(state.spent | set(state.pending)), count, len(state.audited)), len(waiting))
    kept = np.isin(np.arange(len(setting.reserve.arrival)), waiting)
    chosen, scores, passed = passing_over(choose, count - audits, setting, kept)
    audits = min(len(waiting), max(audits, count - len(chosen)))  # where only the reserve is left
    drawn, drawn_scores = audit_items(setting, pool, waiting[:audits], round_, fitted)
    passed = passed[~np.isin(setting.units.patient_of(passed), waiting[:audits])]
    items = np.concatenate([chosen, drawn])
    order = mixed(len(chosen), len(drawn), Draws.AUDIT.within(setting.plan.seed, round_))
    both = np.concatenate([scores, drawn_scores])[order] if scores is not None and drawn_scores is not None else None
    return RoundQuery(items[order], both if fitted else None, drawn, passed)


def issuing(setting: CampaignSetting, state: State, round_: int, query: RoundQuery, strategy: str) -> Event | None:
    """A query cut to the budget, as the event that issues it; where nothing of it may be asked the event that stops
    the campaign, or of a loop whose pool is empty None, as somebody may join."""
    plan = setting.plan
    items = within_budget(setting.units, state.paid, query.items, plan.stopping.budget, plan.cost, setting.aside)
    if not len(items):
        if setting.endless and not len(query.items):
            return None
        reason = "budget" if len(query.items) else "nothing left to ask"
        return Event("stopped", round_, payload={"reason": reason})
    scores = query.scores[: len(items)].tolist() if query.scores is not None else None
    payload: dict[str, Any] = {
        "strategy": strategy,
        "start": plan.active.start if round_ == 0 else None,
        "model": state.trained.get(round_ - 1),
        "items": items.tolist(),
        "scores": None if scores is None else [None if not np.isfinite(score) else score for score in scores],
    }
    if setting.endless:
        payload |= {"audit": np.intersect1d(query.audit, items).tolist(), "passed": query.passed.tolist()}
    return Event("issued", round_, payload=payload)


def waiting_reserve(setting: CampaignSetting, pool: Pool, state: State) -> NDArray[np.int64]:
    """The rows [w] of patients kept for audits of whom nobody knows anything yet, in the order of the draw."""
    known = np.unique(setting.units.patient_of(np.array(sorted(state.spent | set(state.pending)), dtype=np.int64)))
    drawn = setting.reserve.drawn
    return drawn[~np.isin(drawn, known) & np.isin(drawn, pool.patients)]


def passing_over(
    choose: Callable[[int], Query], count: int, setting: CampaignSetting, kept: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64] | None, NDArray[np.int64]]:
    """The first `count` items [n] that a strategy wants and that are of no patient in `kept` [patients], with their
    scores [n] where it gives any, and the items [p] that it wanted before and were passed over."""
    if not count:
        return NOTHING, np.empty(0), NOTHING
    number = math.ceil(count / (1 - setting.reserve.share))
    while True:
        query = choose(number)
        free = ~kept[setting.units.patient_of(query.items)]
        if free.sum() >= count or len(query.items) < number:
            break
        number *= 2
    last = int(np.flatnonzero(free)[:count][-1]) + 1 if free.any() else len(free)
    head = free[:last]
    items = query.items[:last]
    return items[head], None if query.scores is None else query.scores[:last][head], items[~head]


def audit_items(
    setting: CampaignSetting, pool: Pool, patients: NDArray[np.int64], round_: int, fitted: bool
) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
    """An item [n] of each audited patient (rows [n]), and what the strategy would have scored it [n].

    Where a patient has several items it is the one that the strategy wants most; before there is a model, any.
    """
    if not len(patients):
        return NOTHING, np.empty(0)
    if fitted:
        selector = setting.selector
        one_each = replace(selector, plan=selector.plan.model_copy(update={"per_patient": 1, "per_stage": None}))
        own = Pool(setting.units, np.sort(patients), np.intersect1d(pool.asked, items_of(setting, patients)))
        query = one_each.query(own, len(patients), round_, Answered())
        if len(query.items) == len(patients):
            return query.items, query.scores
    rng = Draws.AUDIT.of(setting.plan.seed, round_)
    offsets = setting.units.offsets
    return np.array([rng.integers(offsets[p], offsets[p + 1]) for p in patients], dtype=np.int64), None


def items_of(setting: CampaignSetting, patients: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every item [n] of some patients (rows [p])."""
    offsets = setting.units.offsets
    return np.concatenate([np.arange(offsets[p], offsets[p + 1], dtype=np.int64) for p in patients])


def mixed(chosen: int, drawn: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """An order [chosen + drawn] in which the chosen stay in theirs and the drawn stand anywhere among them."""
    places = np.sort(rng.permutation(chosen + drawn)[:drawn])
    order = np.full(chosen + drawn, -1, dtype=np.int64)
    order[places] = chosen + np.arange(drawn)
    order[order < 0] = np.arange(chosen)
    return order
