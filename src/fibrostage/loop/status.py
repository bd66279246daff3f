"""Where a loop stands: labels, readers, cost, how well the model stages, and whether more labels are worth it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.campaign.budget import total_cost
from fibrostage.campaign.estimates import patient_stages, weights_by_arrival
from fibrostage.campaign.rounds import audited_patients
from fibrostage.ground.errors import RunError
from fibrostage.ground.numbers import signed_within
from fibrostage.loop.opened import Loop
from fibrostage.results.loop_report import CurvePoint, LoopStatus
from fibrostage.results.run_folder import read_parquet
from fibrostage.stats.estimate import Estimate
from fibrostage.stats.learning_curve import forecast
from fibrostage.stats.selection import weighted_accuracy

MORE = (10, 50)  # answers of which it is told what they are expected to bring
WORTH = 0.01  # a gain in accuracy below which more answers are not worth asking for


def status(loop: Loop) -> LoopStatus:
    """Where a loop stands now; answers that came since the last fit count wherever no model is needed."""
    setting, state = loop.setting, loop.state
    readers = Counter(reading.who for readings in state.readings.values() for reading in readings)
    by_stage = Counter(loop.classes[stage] for stage in patient_stages_told(loop).values())
    last = state.measured[-1] if state.measured else {}
    curve, right, weights = curve_of(loop)
    gains = gains_of(loop, curve, right, weights)
    return LoopStatus(
        loop=loop.name,
        simulated=setting.cohort.simulated,
        unit=loop.units.name,
        cohorts=tuple(cohort.name for cohort in loop.cohorts),
        patients=len(setting.askable),
        known=len(setting.known),
        labels=len(state.labels),
        by_stage={name: by_stage[name] for name in loop.classes},
        audited=len(set(state.labels) & state.audited),
        unusable=len(state.rejected),
        waiting=len(state.pending),
        left=len(setting.open_pool(state)),
        disputed=tuple(loop.text(item) for item in state.disputed),
        readers=dict(readers.most_common()),
        cost=total_cost(loop.units, state.paid, setting.plan.cost, setting.aside).cost,
        rounds=len(state.closed),
        stopped=state.stopped,
        estimates=estimates_in(last),
        n_audit=int(last.get("n_audit", 0)),
        n_asked=int(last.get("n_asked", 0)),
        curve=curve,
        gains=gains,
        sentence=sentence(loop, curve, gains),
    )


def patient_stages_told(loop: Loop) -> dict[int, int]:
    """The stage of every patient who was told one, by row."""
    owners = frozenset(loop.units.patient_of(loop.state.items).tolist())
    return patient_stages(loop.setting, loop.state, owners)


def estimates_in(payload: Mapping[str, object]) -> dict[str, dict[str, Estimate]]:
    """The figures of a "measured" event."""
    figures = payload.get("figures", {})
    assert isinstance(figures, Mapping)
    return {
        str(which): {str(name): Estimate(**{"why": "", **figure}) for name, figure in own.items()}
        for which, own in figures.items()
    }


def curve_of(loop: Loop) -> tuple[tuple[CurvePoint, ...], NDArray[np.bool_], NDArray[np.float64]]:
    """Every round's model measured by all audits that have a stage by now; and whether each of n audited patients was
    called right in each of R rounds [n, R], with their weights [n]."""
    setting, state = loop.setting, loop.state
    stages = patient_stages(setting, state, audited_patients(setting, state))
    rows = np.array(sorted(stages), dtype=np.int64)
    truth = np.array([stages[row] for row in rows.tolist()], dtype=np.int64)
    weights = weights_by_arrival(setting, state, rows)
    points, columns = [], []
    for closed in state.closed:
        if closed.round >= len(state.measured):
            break  # fitted after the end, to the audits too
        known = rounds_answers(loop, closed.round, rows)
        if known is None or not len(rows):
            continue
        right = known.argmax(axis=1) == truth
        confidence = setting.plan.evaluation.confidence
        points.append(CurvePoint(closed.round, closed.items, weighted_accuracy(right, weights, confidence), len(rows)))
        columns.append(right)
    return tuple(points), np.array(columns, dtype=bool).T.reshape(len(rows), len(columns)), weights


def rounds_answers(loop: Loop, round_: int, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """What a round's model said of patients (rows [n]), [n, K]; None where it was not asked about all of them, as some
    joined since, or its file is gone."""
    try:
        table = read_parquet(loop.setting.run.reserve_file(round_))
    except RunError:
        return None
    wanted = pl.DataFrame({"patient_id": [loop.patient_ids[row] for row in rows.tolist()]})
    found = wanted.join(table, on="patient_id", how="left", maintain_order="left").drop("patient_id")
    return None if found.null_count().sum_horizontal().item() else found.to_numpy()


def gains_of(
    loop: Loop, curve: Sequence[CurvePoint], right: NDArray[np.bool_], weights: NDArray[np.float64]
) -> dict[int, Estimate]:
    """What more answers are expected to bring in accuracy."""
    plan = loop.setting.plan
    labels = [point.labels for point in curve]
    found = forecast(labels, right, weights, MORE, plan.evaluation.bootstrap, plan.seed, plan.evaluation.confidence)
    return {each.more: each.gain for each in found}


def sentence(loop: Loop, curve: Sequence[CurvePoint], gains: Mapping[int, Estimate]) -> str:
    """What to do, in a sentence or two."""
    state = loop.state
    if state.stopped is not None:
        return f"The loop has ended: {state.stopped}."
    if state.disputed:
        return f"{len(state.disputed)} answers are in dispute: settle them first, with 'loop settle'."
    if not curve:
        return "Nothing has been measured yet: answer what is asked, then fit."
    last, far = curve[-1], gains[MORE[-1]]
    told = f"After {last.labels} answers the model calls {last.accuracy} of the audited patients right (n = {last.n})."
    if not len(loop.setting.open_pool(state)) and not state.pending:
        return f"{told} Nobody is left to ask about."
    if far.value is None or far.lo is None or far.hi is None:
        return f"{told} What more answers bring cannot be told yet: {far.why}."
    expected = f"{MORE[-1]} more are expected to bring {signed_within(far.value, far.lo, far.hi)}"
    if far.hi < WORTH:
        return f"{told} {expected}: stopping is reasonable."
    if far.lo >= WORTH:
        return f"{told} {expected}: going on is worth it."
    return f"{told} {expected}: whether it is worth going on, the audits cannot tell yet."
