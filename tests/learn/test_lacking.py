"""Who lacks a modality is told what was learned of patients who were made to lack the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fibrostage.learn.lacking import Member, kinds_of
from fibrostage.learn.telling import tell
from fibrostage.plan.calibration import DecisionPlan
from fibrostage.stats.calling import Calling, calibrated
from fibrostage.stats.conformal import possible
from fibrostage.stats.decisions import USUAL, Decision
from fibrostage.stats.recalibration import recalibrate
from tests.learn.test_next_exam import K, made_member

WHOLE, A_ALONE = (False, False, False), (False, True, True)


def test_answers_are_calibrated_with_the_same_modalities_left_out() -> None:
    member, sums = made_member(trained=80)
    assert member.shares is not None
    stages = np.array(member.shares.stages)
    alone = member.pooled(member.shares.table("A") + member.offset("B") + member.offset("C"))
    assert member.answers(sums, A_ALONE) == pytest.approx(recalibrate(stages, alone)(member.pooled(sums)))
    whole = member.calling.probabilities(member.pooled(sums))
    assert member.answers(sums, WHOLE) == pytest.approx(whole), "who lacks nothing is told as ever"
    learned = member.calling_for(A_ALONE)
    assert learned == calibrated(stages, alone, np.arange(80) % 5, Decision("least_error"))
    assert member.calling_for(A_ALONE) is learned, "once learned, it is remembered"


def test_nothing_is_learned_of_few_or_seen_patients_or_without_calibration() -> None:
    member, _ = made_member(trained=80)
    assert member.shares is not None
    seen = Member(member.head, member.calling, replace(member.shares, unseen=False))
    plain = Member(member.head, Calling(), member.shares)
    few, _ = made_member(trained=20)
    for one in (seen, plain, few, Member(member.head, member.calling, None)):
        assert one.calling_for(A_ALONE) is None


def test_each_patient_is_told_by_their_own_kind() -> None:
    member, sums = made_member(trained=400, patients=6)
    lacking = np.array([WHOLE, A_ALONE, WHOLE, A_ALONE, WHOLE, A_ALONE])
    rng = np.random.default_rng(0)
    pooled = rng.dirichlet(np.ones(K), 6)
    told = tell([member, member], [pooled, pooled], [sums, sums], lacking, DecisionPlan())
    assert told.probabilities[::2] == pytest.approx(member.calling.probabilities(pooled[::2])), "over their candidates"
    assert told.probabilities[1::2] == pytest.approx(member.answers(sums[1::2], A_ALONE)), "over their mean shares"
    assert not told.possible[::2].any(), "this calling never learned sets"
    assert told.possible[1::2].any(axis=1).all(), "but of those who lack the same they are learned"
    assert told.ruled.shape == (6, K - 1)


def test_kinds_hold_every_patient_once() -> None:
    lacking = np.array([[True, False], [False, False], [True, False]])
    found = kinds_of(lacking)
    assert {kind: rows.tolist() for kind, rows in found.items()} == {(False, False): [1], (True, False): [0, 2]}


def test_a_map_that_saw_a_patient_does_not_tell_how_strange_the_patient_is() -> None:
    """Sets of stages cover new patients as often as they say; with a map fitted to those very patients, less often."""
    rng = np.random.default_rng(1)
    covered, fitted = [], []
    for _ in range(60):
        stages = rng.integers(0, K, 80)
        table = rng.dirichlet(np.ones(K), 80) * 0.5 + 0.5 * np.eye(K)[stages] * rng.random((80, 1))
        table /= table.sum(axis=1, keepdims=True)
        train, new = slice(0, 60), slice(60, 80)
        calling = calibrated(stages[train], table[train], np.arange(60) % 5, USUAL)
        own = calibrated(stages[train], table[train], np.zeros(60), USUAL)
        for found, each in ((covered, calling), (fitted, own)):
            said = each.probabilities(table[new])
            assert each.sets is not None
            inside = possible(said, each.sets.limits(0.8))
            found.append(inside[np.arange(20), stages[new]].mean())
    assert np.mean(covered) >= 0.8
    assert np.mean(fitted) < np.mean(covered), "what a map fitted to them says of themselves is too kind"
