"""The retrospective loop: fit → measure → score pool → query → oracle → ledger, until nothing is left to ask.

A round is fitted from the state the round before left, so a run killed anywhere resumes to the same queries
and figures: labels come back from the ledger, weights from the last closed round's state file. A label is
counted in three currencies: candidates, distinct images, and patients (each of whom had one biopsy).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.active.ledger import Ledger, LedgerState
from fibrostage.active.oracle import Archive
from fibrostage.active.picker import Best
from fibrostage.active.pool import Pool
from fibrostage.active.score import choose, uniform
from fibrostage.active.strategies import STRATEGIES
from fibrostage.cohort.candidates import CandidateSpace
from fibrostage.cohort.splits import Fold
from fibrostage.cohort.store import Cohort
from fibrostage.errors import PlanError, RunError
from fibrostage.learn import checkpoint, runfolder
from fibrostage.learn.engine import make_engine
from fibrostage.learn.fit_frozen import Examples
from fibrostage.learn.learner import Learner, make_learner, resolve_precision
from fibrostage.learn.train import (
    Task,
    evaluate_predictions,
    make_task,
    method_name,
    metrics_of,
    test_predictions,
)
from fibrostage.plan import Plan
from fibrostage.progress import SILENT, Progress
from fibrostage.stats.evaluate import Evaluation


@dataclass(frozen=True)
class Cost:
    """What has been labelled so far."""

    candidates: int
    images: int
    patients: int


def cost_of(space: CandidateSpace, ids: NDArray[np.int64]) -> Cost:
    rows = space.decode(ids)
    images = sum(len(np.unique(column[column >= 0])) for column in rows.T)
    return Cost(len(ids), int(images), len(np.unique(space.patient_of(ids))))


def schedule(capacity: int, stages: int, plan: Plan) -> list[int]:
    """Labelled candidates after each round: the initial share (at least one a stage), then equal steps to all of
    the pool, or steps of `active.query`."""
    settings = plan.active
    initial = min(capacity, max(stages, round(settings.initial * capacity)))
    if settings.rounds == 0:
        return [initial]
    if settings.query is not None:
        step = max(1, round(settings.query * capacity))
        targets = [min(capacity, initial + step * r) for r in range(settings.rounds + 1)]
    else:
        targets = [initial + round((capacity - initial) * r / settings.rounds) for r in range(settings.rounds + 1)]
    return list(dict.fromkeys(targets))


def first_query(pool: Pool, stages: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """A random start in which every stage of the training patients occurs at least once."""
    patients = pool.patients
    rng = np.random.default_rng([seed, 11])
    seeds = []
    for stage in np.unique(stages[patients]):
        patient = rng.choice(patients[stages[patients] == stage])
        ids = pool.space.ids_of(int(patient))
        seeds.append(ids.start + int(rng.integers(len(ids))))
    rest = Pool(pool.space, patients, np.sort(np.array(seeds, dtype=np.int64)))
    fill = max(0, count - len(seeds))
    filler = random_ids(rest, fill, seed)
    return np.concatenate([np.array(seeds, dtype=np.int64), filler])


def random_ids(pool: Pool, count: int, seed: int) -> NDArray[np.int64]:
    best = Best(count)
    for ids in pool.blocks():
        best.add(ids, uniform(seed, 0, ids))
    return best.ids()


def run_active(
    cohort: Cohort,
    plan: Plan,
    out: Path,
    resume: bool = False,
    progress: Progress = SILENT,
) -> pl.DataFrame:
    """One retrospective run on one fold of the split; returns the learning curve and writes the run folder."""
    task = make_task(cohort, plan)
    strategy = STRATEGIES[plan.active.strategy]
    if plan.active.fold >= len(task.folds):
        raise PlanError(f"active.fold = {plan.active.fold}, but the split has {len(task.folds)} folds")
    chosen = task.folds[plan.active.fold]
    if not resume:
        runfolder.check_free(out)
    learner = make_learner(cohort, plan, task.space, chosen.train, plan.seed, progress)
    ledger, state = open_ledger(out, task, chosen, resume)
    try:
        pool = Pool(task.space, chosen.train, np.sort(state.candidates))
        stages = len(np.unique(cohort.stages[chosen.train]))
        targets = schedule(pool.capacity, stages, plan)
        oracle = Archive(task.space, cohort.stages)
        restore(learner, out, state)
        progress.say(
            f"{strategy.title} on {method_name(plan)}: {len(targets)} rounds, "
            f"{pool.capacity} candidates of {len(chosen.train)} patients"
        )
        with progress.task("rounds", len(targets)) as advance:
            advance(len(state.closed))
            for round_ in range(len(state.closed), len(targets)):
                if state.last_round < round_:
                    wanted = targets[round_] - len(pool.labelled)
                    ids = (
                        first_query(pool, cohort.stages, wanted, plan.seed)
                        if round_ == 0
                        else choose(learner, pool, strategy, wanted, plan.active.passes, plan.seed, round_)
                    )
                    ledger.append_labels(round_, ids.tolist(), oracle.label(ids).tolist())
                    state = ledger.state()
                    pool = Pool(task.space, chosen.train, np.sort(state.candidates))
                record = fit_round(learner, task, chosen, state, pool, round_, out)
                ledger.append("closed", round_, record)
                forget_states(out, round_)
                state = ledger.state()
                advance(1)
        return finish(out, task, chosen, learner, state, pool)
    finally:
        ledger.close()


def open_ledger(out: Path, task: Task, fold: Fold, resume: bool) -> tuple[Ledger, LedgerState]:
    """A new run's ledger, or an old one's after checking that plan, cohort and fold are the same."""
    plan, cohort = task.plan, task.cohort
    numerics = f"{resolve_precision(plan.training.precision)} on {make_engine(plan.training.precision).device.type}"
    identity = {"plan": plan.digest(), "cohort": cohort.fingerprint, "fold": fold.label, "numerics": numerics}
    if not resume:
        runfolder.new_run(out)
        runfolder.write_json(out / runfolder.PLAN, plan.model_dump(mode="json"))
        ledger = Ledger(out)
        ledger.append("opened", -1, identity)
        return ledger, ledger.state()
    if not (out / runfolder.PLAN).is_file():
        raise RunError(f"nothing to resume in {out}: it holds no {runfolder.PLAN}")
    ledger = Ledger(out)
    state = ledger.state()
    if state.opened is None:  # killed between making the folder and the first event
        ledger.append("opened", -1, identity)
        return ledger, ledger.state()
    for key, value in identity.items():
        before = state.opened.get(key, value)
        if before != value:
            raise RunError(
                f"{out} was run with another {key} ({before[:16]}, now {value[:16]}); "
                "resume with what it was started with, or start a new run"
            )
    return ledger, state


def restore(learner: Learner, out: Path, state: LedgerState) -> None:
    if state.closed:
        learner.restore(checkpoint.load_state(state_file(out, len(state.closed) - 1)))


def state_file(out: Path, round_: int) -> Path:
    return out / f"state-{round_}.safetensors"


def forget_states(out: Path, upto: int) -> None:
    """Removes the state files of rounds before `upto`, whose round is closed."""
    for path in out.glob("state-*.safetensors"):
        if path != state_file(out, upto):
            path.unlink(missing_ok=True)


def fit_round(
    learner: Learner,
    task: Task,
    fold: Fold,
    state: LedgerState,
    pool: Pool,
    round_: int,
    out: Path,
) -> dict[str, Any]:
    """Fits on everything labelled, saves the weights, and returns the round's row of the curve."""
    plan = task.plan
    if not plan.active.warm_start:
        fresh = make_learner(task.cohort, plan, task.space, fold.train, plan.seed)
        learner.restore(fresh.state())
    order = np.argsort(state.candidates)
    examples = Examples(task.space.decode(state.candidates[order]), state.stages[order])
    learner.fit(examples, plan.seed + 1000 * (round_ + 1))
    evaluation = evaluate_predictions(test_predictions(learner, task, fold), task)
    checkpoint.save_state(state_file(out, round_), learner.state(), {"round": str(round_)})
    record = curve_row(evaluation, task, pool, round_)
    runfolder.log(out, event="round", **{k: v for k, v in record.items() if not k.endswith(("lo", "hi"))})
    return record


def curve_row(evaluation: Evaluation, task: Task, pool: Pool, round_: int) -> dict[str, Any]:
    cost = cost_of(task.space, pool.labelled)
    row: dict[str, Any] = {
        "round": round_,
        "candidates": cost.candidates,
        "images": cost.images,
        "patients": cost.patients,
        "share": cost.candidates / pool.capacity,
        "n_patients": evaluation.n_patients,
    }
    figures = {"accuracy": evaluation.accuracy, "auc_macro": evaluation.auc_macro}
    figures |= {f"auc_at_{cut}": figure for cut, figure in evaluation.auc_at_cut.items()}
    for name, figure in figures.items():
        row |= {name: figure.value, f"{name}_lo": figure.lo, f"{name}_hi": figure.hi}
    return row


def finish(out: Path, task: Task, fold: Fold, learner: Learner, state: LedgerState, pool: Pool) -> pl.DataFrame:
    """The files of a finished run: the curve, and the last round's predictions, figures and network."""
    schema = {key: pl.Float64 for key in state.closed[0] if key.startswith(("accuracy", "auc_"))}
    curve = pl.DataFrame(state.closed, schema_overrides=schema).with_columns(
        strategy=pl.lit(task.plan.active.strategy),
        method=pl.lit(method_name(task.plan)),
        seed=pl.lit(task.plan.seed),
        fold=pl.lit(fold.label),
    )
    runfolder.write_parquet(out / runfolder.CURVE, curve)
    predictions = test_predictions(learner, task, fold)
    runfolder.write_parquet(out / runfolder.PREDICTIONS, predictions)
    checkpoint.save_network(out / "model.safetensors", learner.network(), task.plan, task.cohort.fingerprint)
    cost = cost_of(task.space, pool.labelled)
    more = {
        "strategy": task.plan.active.strategy,
        "fold": fold.label,
        "labelled": {"candidates": cost.candidates, "images": cost.images, "patients": cost.patients},
        "pool": pool.capacity,
        "rounds": len(state.closed),
    }
    metrics = metrics_of(evaluate_predictions(predictions, task), task, **more)
    runfolder.write_json(out / runfolder.METRICS, metrics)
    return curve
