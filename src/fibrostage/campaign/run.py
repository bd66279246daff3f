"""The retrospective loop: fit → measure → score pool → query → oracle → ledger, until it is told to stop.

A round is fitted from the state the round before left, so a run killed anywhere resumes to the same queries
and figures: labels come back from the ledger, weights from the last closed round's state file. What was asked is
counted in candidates, distinct images, patients (each of whom had one biopsy), and the plan's own cost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.active.pool import Pool
from fibrostage.active.query_selector import Query, Selector
from fibrostage.active.query_units import Units
from fibrostage.active.strategy_expression import choose_strategy, title_of
from fibrostage.campaign.archive import UNUSABLE, Archive
from fibrostage.campaign.first_query import first_query
from fibrostage.campaign.query_sizes import schedule
from fibrostage.campaign.stopping import kappa, reason_to_stop, total_cost, within_budget
from fibrostage.cohort.splits import Fold
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError, RunError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn import checkpoint
from fibrostage.learn.engine import make_engine
from fibrostage.learn.learner import Learner, make_learner, predict, resolve_precision, state_hash
from fibrostage.learn.train import (
    Task,
    evaluate_predictions,
    make_task,
    method_name,
    metrics_of,
    predictions_of,
    set_aside,
    test_predictions,
)
from fibrostage.ledger.events import Event, State
from fibrostage.ledger.export import Carried
from fibrostage.ledger.ledger import Ledger
from fibrostage.plan.run_plan import Plan
from fibrostage.results import run_folder as runfolder
from fibrostage.results.predictions import VALIDATION
from fibrostage.stats.evaluate import Evaluation

NAMES = {"carried": "--labels"}
WATCHED = 1000  # candidates of the pool whose predicted stages are compared from round to round


@dataclass(frozen=True)
class Setting:
    """One run's fixed parts. `pool` are the patients who may be asked, `aside` those kept for validation."""

    task: Task
    fold: Fold
    units: Units
    pool: NDArray[np.int64]
    aside: NDArray[np.int64]
    targets: list[int]
    selector: Selector
    oracle: Archive
    out: Path

    @property
    def learner(self) -> Learner:
        return self.selector.learner

    @property
    def plan(self) -> Plan:
        return self.task.plan

    def open_pool(self, state: State) -> Pool:
        return Pool(self.units, self.pool, state.asked)

    @property
    def capacity(self) -> int:
        return Pool(self.units, self.pool, np.empty(0, dtype=np.int64)).capacity


def run_active(
    cohort: Cohort,
    plan: Plan,
    out: Path,
    resume: bool = False,
    progress: Progress = SILENT,
    ledger_url: str | None = None,
    carried: Callable[[Units], Carried] | None = None,
) -> pl.DataFrame:
    """One retrospective run on one fold of the split; returns the learning curve and writes the run folder.

    `carried` brings labels of another run along; they are the first round.
    """
    task = make_task(cohort, plan)
    if plan.active.fold >= len(task.folds):
        raise PlanError(f"active.fold = {plan.active.fold}, but the split has {len(task.folds)} folds")
    if not resume:
        runfolder.check_free(out)
    setting = make_setting(task, task.folds[plan.active.fold], out, progress)
    brought = carried(setting.units) if carried else None
    if brought is not None:
        brought.check_patients(setting.units, setting.pool, cohort.patient_ids)
    ledger = open_ledger(setting, resume, ledger_url, brought)
    try:
        state = ledger.state()
        if brought is not None:
            setting = replace(setting, targets=after_carried(setting.targets, len(brought.items)))
        restore(setting.learner, out, state)
        progress.say(
            f"{title_of(plan.active.strategy)} on {method_name(plan)}: {len(setting.targets)} rounds, "
            f"{setting.capacity} {plan.active.unit}s of {len(setting.pool)} patients"
        )
        with progress.task("rounds", len(setting.targets)) as advance:
            advance(len(state.closed))
            while state.stopped is None and len(state.closed) < len(setting.targets):
                state = one_round(setting, ledger, brought)
                advance(1)
        return finish(setting, state)
    finally:
        ledger.close()


def make_setting(task: Task, fold: Fold, out: Path, progress: Progress) -> Setting:
    plan, cohort = task.plan, task.cohort
    chosen = choose_strategy(plan.active.strategy)
    aside = set_aside(task, fold)
    pool = np.setdiff1d(fold.train, aside)
    learner = make_learner(cohort, plan, task.space, fold.train, plan.seed, progress)
    units = Units(plan.active.unit, task.space)
    staging = plan.staging.resolve()
    cut = staging.classes.index(plan.active.cut or staging.classes[1])
    selector = Selector(learner, units, chosen, plan.active, plan.seed, cohort.bad_images(plan.fused), cut)
    capacity = Pool(units, pool, np.empty(0, dtype=np.int64)).capacity
    targets = schedule(capacity, len(np.unique(cohort.stages[pool])), plan.active)
    oracle = Archive(units, cohort.stages, len(staging.classes), plan.oracle, plan.seed)
    return Setting(task, fold, units, pool, aside, targets, selector, oracle, out)


def after_carried(targets: list[int], carried: int) -> list[int]:
    """A schedule that begins with what was carried over."""
    return [carried, *(target for target in targets if target > carried)]


def open_ledger(setting: Setting, resume: bool, url: str | None, brought: Carried | None) -> Ledger:
    """A new run's ledger, or an old one's after checking that plan, cohort and fold are the same."""
    plan, out = setting.plan, setting.out
    numerics = f"{resolve_precision(plan.training.precision)} on {make_engine(plan.training.precision).device.type}"
    identity = {
        "plan": plan.digest(),
        "cohort": setting.task.cohort.fingerprint,
        "fold": setting.fold.label,
        "numerics": numerics,
        "carried": brought.digest() if brought is not None else "nothing",
    }
    if not resume:
        runfolder.new_run(out)
        runfolder.write_json(out / runfolder.PLAN, plan.model_dump(mode="json"))
    elif not (out / runfolder.PLAN).is_file():
        raise RunError(f"nothing to resume in {out}: it holds no {runfolder.PLAN}")
    ledger = Ledger(out, url)
    try:
        opened = ledger.state().opened
        if opened is None and any(out.glob("state-*.safetensors")):
            raise RunError(
                f"{out} has a model's state, but {ledger.store} has no events of it; is it the right ledger?"
            )
        if opened is None:  # new, or killed between making the folder and the first event
            classes = list(plan.staging.resolve().classes)
            ledger.append(Event("opened", -1, payload=identity | {"unit": plan.active.unit, "classes": classes}))
        for key, value in identity.items() if opened else ():
            before = opened.get(key, value)  # type: ignore[union-attr]
            if before != value:
                raise RunError(
                    f"{out} was run with another {NAMES.get(key, key)} ({before[:16]}, now {value[:16]}); "
                    "resume with what it was started with, or start a new run"
                )
    except BaseException:
        ledger.close()
        raise
    return ledger


def restore(learner: Learner, out: Path, state: State) -> None:
    if state.closed:
        last = len(state.closed) - 1
        learner.restore(checkpoint.load_state(state_file(out, last)))
        if state_hash(learner) != state.trained.get(last):
            raise RunError(f"{state_file(out, last)} is not the model that the ledger says round {last} ended with")


def state_file(out: Path, round_: int) -> Path:
    return out / f"state-{round_}.safetensors"


def forget_states(out: Path, upto: int) -> None:
    """Removes the state files of rounds before `upto`, whose round is closed."""
    for path in out.glob("state-*.safetensors"):
        if path != state_file(out, upto):
            path.unlink(missing_ok=True)


def one_round(setting: Setting, ledger: Ledger, brought: Carried | None) -> State:
    """Asks, is answered, fits and measures; whatever of it the ledger has already is not done again."""
    state, round_ = ledger.state(), len(ledger.state().closed)
    if state.last_round < round_:
        state = ask(setting, ledger, round_, brought)
        if state.stopped:
            return state
    if state.pending:
        state = ledger.append(*answers(setting, state, round_, brought))
    record = fit_round(setting, state, round_)
    model = state_hash(setting.learner)
    events = [Event("trained", round_, payload={"model": model}), Event("closed", round_, payload=record)]
    enough = reason_to_stop((*state.closed, record), setting.plan.stopping)
    if enough and len(state.closed) + 1 < len(setting.targets):
        events.append(Event("stopped", round_, payload={"reason": enough}))
    state = ledger.append(*events)
    forget_states(setting.out, round_)
    return state


def ask(setting: Setting, ledger: Ledger, round_: int, brought: Carried | None) -> State:
    """Issues the round's query, cut to the budget; stops the run when nothing may be asked."""
    state, plan = ledger.state(), setting.plan
    pool = setting.open_pool(state)
    wanted = max(0, setting.targets[round_] - len(state.asked))
    if brought is not None and round_ == 0:
        query = Query(brought.items)
    elif round_ == 0:
        query = first_query(setting.selector, pool, setting.task.cohort.stages, wanted)
    else:
        query = setting.selector.query(pool, wanted, round_, state.items, state.stages)
    items = within_budget(setting.units, state.paid, query.items, plan.stopping.budget, plan.cost, setting.aside)
    if not len(items):
        if round_ == 0:
            raise PlanError("stopping.budget does not allow a single question; raise it")
        spent = "budget" if len(query.items) else "nothing left to ask"
        return ledger.append(Event("stopped", round_, payload={"reason": spent}))
    scores = query.scores[: len(items)].tolist() if query.scores is not None else None
    payload = {
        "strategy": "carried over" if brought is not None and round_ == 0 else plan.active.strategy,
        "start": plan.active.start if round_ == 0 else None,
        "model": state.trained.get(round_ - 1),
        "items": items.tolist(),
        "scores": None if scores is None else [None if not np.isfinite(score) else score for score in scores],
    }
    return ledger.append(Event("issued", round_, payload=payload))


def answers(setting: Setting, state: State, round_: int, brought: Carried | None) -> list[Event]:
    """What the oracle says to everything that was asked and not answered."""
    items = np.array(state.pending, dtype=np.int64)
    given = brought.answers(items) if brought is not None and round_ == 0 else None
    who = brought.who if given is not None and brought is not None else setting.oracle.name
    if given is None:
        bad = setting.selector.is_bad(items) if setting.plan.oracle.rejects_bad else None
        given = setting.oracle.answer(items, bad)
    names = setting.task.cohort.patient_ids
    events = []
    for item, stage, patient in zip(items.tolist(), given.tolist(), setting.units.patient_of(items), strict=True):
        patient_id = {"patient_id": names[int(patient)]}
        if stage == UNUSABLE:
            events.append(Event("rejected", round_, who, item, payload=patient_id | {"reason": "unusable"}))
        else:
            events.append(Event("labelled", round_, who, item, stage, patient_id))
    return events


def fit_round(setting: Setting, state: State, round_: int) -> dict[str, Any]:
    """Fits on everything labelled, saves the weights, and returns the round's row of the curve."""
    plan, task, learner = setting.plan, setting.task, setting.learner
    if not state.labels:
        raise RunError(f"round {round_}: no item that was asked for could be labelled, so there is nothing to fit")
    watched = watched_candidates(setting) if round_ and plan.stopping.stable else None
    before = None if watched is None else predict(learner, watched).argmax(axis=1)
    if not plan.active.warm_start:
        fresh = make_learner(task.cohort, plan, task.space, setting.fold.train, plan.seed)
        learner.restore(fresh.state())
    examples = setting.units.examples(state.items, state.stages, plan.seed)
    epochs = plan.active.epochs if round_ and plan.active.warm_start else None
    learner.fit(examples, plan.seed + 1000 * (round_ + 1), epochs=epochs)
    evaluation = evaluate_predictions(test_predictions(learner, task, setting.fold), task)
    checkpoint.save_state(state_file(setting.out, round_), learner.state(), {"round": str(round_)})
    record = curve_row(setting, state, evaluation, round_)
    if len(setting.aside):
        known = predictions_of(learner, task, setting.fold, setting.aside, VALIDATION)
        record["validation_auc"] = evaluate_predictions(known, task, VALIDATION).auc_macro.value
    if watched is not None and before is not None:
        record["agreement"] = kappa(before, predict(learner, watched).argmax(axis=1), learner.head.classes)
    shown = {key: value for key, value in record.items() if not key.endswith(("lo", "hi"))}
    runfolder.log(setting.out, event="round", **shown)
    return record


def watched_candidates(setting: Setting) -> NDArray[np.int64]:
    """A few candidates of the pool's patients, the same in every round."""
    ids = setting.task.space.draw(setting.pool, 4, np.random.default_rng([setting.plan.seed, 13]))
    return ids[:: max(1, len(ids) // WATCHED)]


def curve_row(setting: Setting, state: State, evaluation: Evaluation, round_: int) -> dict[str, Any]:
    bad = setting.selector.is_bad(np.array([i for i, r in state.label_rounds.items() if r == round_], dtype=np.int64))
    following = setting.targets[min(round_ + 1, len(setting.targets) - 1)]
    row: dict[str, Any] = {
        "round": round_,
        **asdict(total_cost(setting.units, state.paid, setting.plan.cost, setting.aside)),
        "items": len(state.labels),
        "asked": len(state.spent),
        "next_items": following,
        "rejected": len(state.rejected),
        "bad_share": float(bad.mean()) if len(bad) else None,
        "share": len(state.paid) / setting.capacity,
        "n_patients": evaluation.n_patients,
    }
    figures = {"accuracy": evaluation.accuracy, "auc_macro": evaluation.auc_macro}
    figures |= {f"auc_at_{cut}": figure for cut, figure in evaluation.auc_at_cut.items()}
    for name, figure in figures.items():
        row |= {name: figure.value, f"{name}_lo": figure.lo, f"{name}_hi": figure.hi}
    return row


def finish(setting: Setting, state: State) -> pl.DataFrame:
    """The files of a finished run: the curve, and the last round's predictions, figures and network."""
    plan, task, out, learner = setting.plan, setting.task, setting.out, setting.learner
    floats = ("accuracy", "auc_", "cost", "bad_share", "validation_auc", "agreement")
    schema = {key: pl.Float64 for record in state.closed for key in record if key.startswith(floats)}
    curve = pl.DataFrame(state.closed, schema_overrides=schema, infer_schema_length=None).with_columns(
        strategy=pl.lit(plan.active.strategy),
        method=pl.lit(method_name(plan)),
        seed=pl.lit(plan.seed),
        fold=pl.lit(setting.fold.label),
    )
    runfolder.write_parquet(out / runfolder.CURVE, curve)
    predictions = test_predictions(learner, task, setting.fold)
    runfolder.write_parquet(out / runfolder.PREDICTIONS, predictions)
    checkpoint.save_network(out / "model.safetensors", learner.network(), plan, task.cohort)
    more = {
        "strategy": plan.active.strategy,
        "strategy_title": title_of(plan.active.strategy),
        "unit": plan.active.unit,
        "fold": setting.fold.label,
        "labelled": asdict(total_cost(setting.units, state.paid, plan.cost, setting.aside)),
        "pool": setting.capacity,
        "rounds": len(state.closed),
        "stopped": state.stopped or ("everything is labelled" if len(setting.open_pool(state)) == 0 else "rounds"),
    }
    metrics = metrics_of(evaluate_predictions(predictions, task), task, **more)
    runfolder.write_json(out / runfolder.METRICS, metrics)
    return curve
