"""A campaign: questions asked and answered over time, and a model fitted to the answers.

`ask` gives the question that is open, or makes the next one; `tell` takes an answer whenever it comes; `close` fits on
what is known by then and measures. All of it is events of a ledger, so a campaign killed anywhere goes on with the same
question: labels come back from the ledger, weights from the last closed round's state file. An archive answers at once,
a person later, and the campaign does not know the difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fibrostage.campaign.carried_labels import Carried
from fibrostage.campaign.estimates import measured_by_answers
from fibrostage.campaign.next_query import RoundQuery, issuing, next_query
from fibrostage.campaign.rounds import fit_round, has_model, learned_from, taught
from fibrostage.campaign.setting import CampaignSetting
from fibrostage.campaign.stopping import reason_to_stop
from fibrostage.cohort.store import taken_in_with
from fibrostage.ground.errors import PlanError, RunError
from fibrostage.ground.files import Json
from fibrostage.learn.checkpoint import load_state
from fibrostage.learn.engine import make_engine
from fibrostage.learn.learner import resolve_precision, state_hash
from fibrostage.learn.task import examples_of
from fibrostage.ledger.events import UNUSABLE, Event
from fibrostage.ledger.ledger import Ledger
from fibrostage.ledger.state import State
from fibrostage.plan.commands import ACTIVE, digest
from fibrostage.plan.old_formats import says_the_same, whole_digest
from fibrostage.results.rounds import Round

NAMES = {"carried": "--labels"}
NOTHING_SAID: Mapping[int, Mapping[str, Json]] = {}


@dataclass(frozen=True)
class Question:
    """What is asked in a round and has no answer yet: `items` [n], wanted most first, with their scores [n] where the
    strategy gives one to each."""

    round: int
    strategy: str
    items: tuple[int, ...]
    scores: tuple[float | None, ...] | None = None


class Campaign:
    """One campaign at work; it holds its ledger until `leave`."""

    def __init__(self, setting: CampaignSetting, ledger: Ledger, carried: Carried | None = None) -> None:
        self.setting, self._ledger, self._carried = setting, ledger, carried
        self._restored = False
        if not setting.endless:  # a loop takes answers without a model, for days
            self.ready()

    @classmethod
    def open(
        cls,
        setting: CampaignSetting,
        resume: bool = False,
        ledger_url: str | None = None,
        carried: Carried | None = None,
    ) -> Campaign:
        """Begins a campaign in the setting's folder, or with `resume` goes on with the one there.

        `carried` are labels of another campaign; they are the first round. Raises `RunError` where there is something
        in the folder already, or where what is there was begun otherwise.
        """
        if carried is not None:
            carried.check_patients(setting.units, setting.askable, setting.cohort.patient_ids)
        ledger = open_ledger(setting, resume, ledger_url, carried)
        try:
            return cls(setting if carried is None else setting.beginning_with(len(carried.items)), ledger, carried)
        except BaseException:
            ledger.close()
            raise

    def leave(self) -> None:
        """Lets go of the ledger and of what watches; the campaign can be opened again."""
        self.setting.tracking.finish()
        self._ledger.close()

    def __enter__(self) -> Campaign:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    @property
    def state(self) -> State:
        return self._ledger.state()

    @property
    def round(self) -> int:
        """The round that is open."""
        return len(self.state.closed)

    @property
    def over(self) -> bool:
        """Whether nothing more will be asked."""
        if self.setting.endless:
            return self.state.stopped is not None
        return self.state.stopped is not None or self.round >= len(self.setting.targets)

    def ready(self) -> None:
        """Gives the model what it had learned by the last closed round; what is done already is not done again.

        Raises `RunError` where the saved model is not that of the ledger.
        """
        if not self._restored:
            restore(self.setting, self.state)
            self._restored = True

    def forget_model(self) -> None:
        """Has the model read anew when it is next needed, as another process has fitted it."""
        self._restored = False

    def ask(self, count: int | None = None) -> Question | None:
        """The open question, the same until it is answered; None where the campaign is over or the round is answered.

        A new one is of `count` items, or as many as the plan says. Raises `PlanError` where the budget does not allow a
        single question.
        """
        if self.over:
            return None
        nothing_known = self.setting.endless and not has_model(self.setting, self.state, self.round + 1)
        new = self.state.last_round < self.round or (nothing_known and not self.state.pending)
        if new and not self._issue(count):
            return None
        return self._open_question()

    def _open_question(self) -> Question | None:
        state = self.state
        if not state.pending:
            return None
        latest = state.issued[-1]
        scores = dict(zip(latest.items, latest.scores, strict=True)) if latest.scores is not None else None
        given = None if scores is None else tuple(scores.get(item) for item in state.pending)
        return Question(latest.round, latest.strategy, state.pending, given)

    def _issue(self, count: int | None) -> bool:
        """Issues the round's query, cut to the budget; stops the campaign when nothing may be asked."""
        state, setting, round_ = self.state, self.setting, self.round
        plan = setting.plan
        query = self._query(state, round_, count)
        carried = self._carried is not None and round_ == 0
        event = issuing(setting, state, round_, query, "carried over" if carried else plan.active.strategy)
        if event is None:
            return False  # somebody may join
        if round_ == 0 and event.kind == "stopped" and not setting.endless:
            raise PlanError("stopping.budget does not allow a single question; raise it")
        self._ledger.append(event)
        return event.kind == "issued"

    def _query(self, state: State, round_: int, count: int | None) -> RoundQuery:
        setting = self.setting
        if self._carried is not None and round_ == 0:
            return RoundQuery(self._carried.items)
        self.ready()
        wanted = setting.wanted(round_, len(state.asked)) if count is None else count
        return next_query(setting, state, round_, wanted)

    def tell(
        self, answers: Mapping[int, int], who: str, remarks: Mapping[int, Mapping[str, Json]] = NOTHING_SAID
    ) -> State:
        """Takes answers: by item a stage's index, or `UNUSABLE`; all of them are stored, or none.

        An answer to what was asked closes that question; one to what has an answer already is a further reading, which
        changes nothing until it is settled; one to what was never asked is taken and marked so. `remarks` are what was
        said beside an item's answer: a "comment", or the "reason" why it cannot be staged. Raises `RunError` for an
        item or a stage that there is not.
        """
        return self._ledger.append(*self.events_of(answers, who, remarks))

    def events_of(
        self, answers: Mapping[int, int], who: str, remarks: Mapping[int, Mapping[str, Json]] = NOTHING_SAID
    ) -> list[Event]:
        """The events that answers are, as `tell` takes them; raises `RunError` as it does."""
        owners = self._check(answers)
        names, state, round_ = self.setting.cohort.patient_ids, self.state, self.round
        pending, answered = set(state.pending), {*state.labels, *state.rejected}
        events = []
        for (item, stage), owner in zip(answers.items(), owners.tolist(), strict=True):
            kind = "rejected" if stage == UNUSABLE else "labelled"
            if item not in pending:
                kind = "reread" if item in answered else "volunteered"
            payload = {"patient_id": names[owner]} | ({"reason": "unusable"} if stage == UNUSABLE else {})
            events.append(Event(kind, round_, who, item, stage_of(stage), payload | dict(remarks.get(item, {}))))
        return events

    def note(self, *events: Event) -> State:
        """Stores events of another kind than answers, all or none; raises `RunError` where one cannot follow."""
        return self._ledger.append(*events)

    def settle(self, item: int, stage: int, who: str) -> State:
        """Says which stage of an item stands, after several readings; raises `RunError` where it has no answer."""
        payload = self._named(self._check({item: stage}))
        return self._ledger.append(Event("settled", self.round, who, item, stage_of(stage), payload))

    def undo(self, item: int, who: str) -> State:
        """Takes back what a reader said last of an item; raises `RunError` where that is nothing."""
        payload = self._named(self._check({item: UNUSABLE}))
        return self._ledger.append(Event("undone", self.round, who, item, payload=payload))

    def withdraw(self, item: int, who: str, reason: str) -> State:
        """Takes an item's answer back: it may be asked for again. Raises `RunError` where it has no answer."""
        payload = self._named(self._check({item: UNUSABLE})) | {"reason": reason}
        return self._ledger.append(Event("withdrawn", self.round, who, item, payload=payload))

    def _check(self, answers: Mapping[int, int]) -> NDArray[np.int64]:
        """The patients' rows [n] of the answered items; raises `RunError` for items and stages that there are not."""
        setting = self.setting
        classes, last = setting.cohort.staging.classes, int(setting.units.offsets[-1])
        for item, stage in answers.items():
            if not 0 <= item < last:
                raise RunError(f"item {item}: {setting.units.name}s run from 0 to {last - 1}")
            if stage != UNUSABLE and not 0 <= stage < len(classes):
                raise RunError(f"item {item}: stage {stage}; stages are 0 to {len(classes) - 1} ({', '.join(classes)})")
        items = np.fromiter(answers, np.int64, len(answers))
        owners = setting.units.patient_of(items)
        measured_on = np.isin(owners, np.concatenate([setting.fold.test, setting.aside]))
        if measured_on.any():
            first = int(np.argmax(measured_on))
            raise RunError(
                f"item {items[first]} is of patient {setting.cohort.patient_ids[owners[first]]!r}, on whom the model "
                "is tested or validated: an answer would be learned from"
            )
        return owners

    def _named(self, owners: NDArray[np.int64]) -> dict[str, Any]:
        """The payload that names the patient of one item, `owners` [1]."""
        return {"patient_id": self.setting.cohort.patient_ids[int(owners[0])]}

    def close(self) -> Round:
        """Fits on everything known by now, measures, and opens the next round; what is unanswered stays open.

        Raises `RunError` where nothing was asked in the round, or nothing could be labelled.
        """
        state, round_, setting = self.state, self.round, self.setting
        if state.last_round < round_ and not (setting.endless and taught(setting, state)):
            raise RunError(f"round {round_} has asked for nothing yet")
        self.ready()
        closed, events = closing(setting, state, round_)
        self._ledger.append(*events)
        setting.run.forget_states(but=round_)
        return closed


def closing(setting: CampaignSetting, state: State, round_: int) -> tuple[Round, list[Event]]:
    """Fits on everything known by a state and measures; returns the round and the events that it is, which whoever
    holds the ledger stores. The model must be as the last round left it. Raises `RunError` where nothing could be
    labelled."""
    closed = fit_round(setting, state, round_)
    trained = {"model": state_hash(setting.learner), "cohort": setting.cohort.fingerprint}
    events = [Event("trained", round_, payload=trained), Event("closed", round_, payload=dict(closed.as_row()))]
    if setting.endless and state.stopped is None:
        events.append(Event("measured", round_, payload=measured_by_answers(setting, state, round_)))
    enough = reason_to_stop((*state.closed, closed), setting.plan.stopping)
    if enough and not setting.endless and len(state.closed) + 1 < len(setting.targets):
        events.append(Event("stopped", round_, payload={"reason": enough}))
    return closed, events


def stage_of(stage: int) -> int | None:
    """A stage as an event holds it: nothing where an item cannot be staged."""
    return None if stage == UNUSABLE else stage


def open_ledger(setting: CampaignSetting, resume: bool, url: str | None, carried: Carried | None) -> Ledger:
    """A new campaign's ledger, or an old one's after checking that plan, cohort and fold are the same.

    Raises `RunError` where they are not, or where there is nothing to go on with.
    """
    plan, run = setting.plan, setting.run
    numerics = f"{resolve_precision(plan.training.precision)} on {make_engine(plan.training.precision).device.type}"
    identity = {
        "plan": digest(plan, ACTIVE),
        "cohort": setting.cohort.fingerprint,
        "fold": setting.fold.label,
        "numerics": numerics,
        "carried": carried.digest() if carried is not None else "nothing",
    }
    if not resume:
        run.make()
        run.write_plan(plan.model_dump(mode="json"))
        run.write_intake(taken_in_with(setting.cohort))
    elif not run.begun:
        raise RunError(f"nothing to resume in {run.path}: it holds no {run.plan_file.name}")
    ledger = Ledger(run.path, url)
    try:
        opened = ledger.state().opened
        if opened is None and run.states():
            raise RunError(
                f"{run.path} has a model's state, but {ledger.store} has no events of it; is it the right ledger?"
            )
        if opened is None:  # new, or killed between making the folder and the first event
            classes: Sequence[str] = plan.staging.resolve().classes
            payload = identity | {"unit": setting.units.name, "classes": list(classes)}
            ledger.append(Event("opened", -1, payload=payload))
        else:
            check_identity(setting, opened, identity)
    except BaseException:
        ledger.close()
        raise
    return ledger


def check_identity(setting: CampaignSetting, opened: Mapping[str, Any], identity: Mapping[str, str]) -> None:
    """Raises `RunError` where a campaign was begun with another plan, cohort, fold, precision or other labels."""
    run = setting.run
    for key, value in identity.items():
        before = opened.get(key, value)
        if before == value:
            continue
        if key == "plan":  # earlier versions named plans otherwise: they are known by what was saved
            saved = run.read_plan()
            if whole_digest(saved) == before and says_the_same(saved, setting.plan, ACTIVE):
                continue
        raise RunError(
            f"{run.path} was run with another {NAMES.get(key, key)} ({before[:16]}, now {value[:16]}); "
            "resume with what it was started with, or start a new run"
        )


def restore(setting: CampaignSetting, state: State) -> None:
    """Gives the model what it had learned by the last closed round, and removes what a killed run left of others.

    Before that it is fitted to the patients whose stage was known before anything was asked. Where exams joined since
    the last round, it is fitted anew to what is known, as its features are of all pictures. Raises `RunError` where the
    saved state is another model's.
    """
    if not state.closed:
        if len(setting.known):
            setting.learner.fit(examples_of(setting.task, setting.known, setting.plan.seed), setting.plan.seed)
        return
    last = len(state.closed) - 1
    if state.trained_on.get(last, setting.cohort.fingerprint) != setting.cohort.fingerprint:
        setting.learner.fit(learned_from(setting, state), setting.plan.seed + 1000 * (last + 1))
        return
    path = setting.run.state_file(last)
    setting.learner.restore(load_state(path))
    if state_hash(setting.learner) != state.trained.get(last):
        raise RunError(f"{path} is not the model that the ledger says round {last} ended with")
    setting.run.forget_states(but=last)


def answered_by(items: NDArray[np.int64], stages: NDArray[np.int64]) -> dict[int, int]:
    """Answers as `Campaign.tell` takes them, of items [n] and stages [n]."""
    return dict(zip(items.tolist(), stages.tolist(), strict=True))
