"""Benchmarks of learning curves: the look-ahead against literal refits, choosers at work, and both commands, tiny."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fibrostage.active.strategies import STRATEGIES
from fibrostage.bench.active import FAST, PUBLISHED, bench_active
from fibrostage.bench.curves import Way, plan_of_way, play
from fibrostage.bench.oracle import LOOK_AHEAD, RAND, TRIAL_FITS, LookAhead, Ridge, bench_oracle
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError, RunError

SMALL = ("split.scheme=kfold", "split.folds=2", "training.components=4", "evaluation.bootstrap=100")
TINY = ("network.backbone=tiny", "network.weights=random")


def ridge(seed: int = 0) -> Ridge:
    rng = np.random.default_rng(seed)
    wanted = np.eye(3)[rng.integers(0, 3, 12)]
    return Ridge.from_points(np.arange(12) * 2, rng.normal(size=(12, 5)), wanted - wanted.mean(axis=0))


def literal_loss(one: Ridge, learned: list[int]) -> float:
    """Each patient told by ridge regression on the labels of all others that are learned from."""
    total = 0.0
    for j in range(len(one.kernel)):
        others = [i for i in learned if i != j]
        inner = one.kernel[np.ix_(others, others)] + one.noise * np.eye(len(others))
        said = one.kernel[j, others] @ np.linalg.solve(inner, one.wanted[others])
        total += float(((one.wanted[j] - said) ** 2).sum())
    return total / len(one.kernel)


def test_the_look_ahead_is_what_refits_would_say() -> None:
    one = ridge()
    ahead = one.having(np.array([0, 6, 8]))  # patients' rows, so positions 0, 3, 4
    assert ahead.loss() == pytest.approx(literal_loss(one, [0, 3, 4]))
    candidates = np.array([1, 2, 11])
    expected = [literal_loss(one, [0, 3, 4, int(new)]) for new in candidates]
    assert ahead.losses(candidates) == pytest.approx(expected)
    ahead.learn(2)
    assert ahead.loss() == pytest.approx(expected[1])
    again = LookAhead.after(one.kernel, one.wanted, one.noise, np.array([0, 2, 3, 4]))
    assert ahead.said == pytest.approx(again.said)
    assert ahead.covariance == pytest.approx(again.covariance)


def test_choices_with_labels_in_hand_are_no_plan_s() -> None:
    """Nobody can ask for them: they are not registered, under whatever name."""
    names = {one.name for one in STRATEGIES} | {one.title for one in STRATEGIES}
    assert not names & {"look_ahead", "trial_fits", LOOK_AHEAD, TRIAL_FITS, "oracle"}


def test_a_tiny_oracle_beside_rand(cohort: Cohort, tmp_path: Path) -> None:
    asked = (*SMALL, *TINY, "active.shares=[0.5, 0.8]", "training.epochs=1", "active.epochs=1")
    found = bench_oracle(cohort, 1, asked, tmp_path / "kept")
    curves, apart = found.tables
    assert [row[0] for row in curves.rows] == [RAND, LOOK_AHEAD, TRIAL_FITS]
    assert [row[0] for row in apart.rows] == [LOOK_AHEAD, TRIAL_FITS]
    begun = {path.parent.name: path.stat().st_mtime_ns for path in (tmp_path / "kept").glob("*/seconds.json")}
    assert len(begun) == 6
    assert bench_oracle(cohort, 1, asked, tmp_path / "kept").tables == found.tables
    assert begun == {path.parent.name: path.stat().st_mtime_ns for path in (tmp_path / "kept").glob("*/seconds.json")}


def test_an_oracle_refuses_what_it_cannot_do(cohort: Cohort) -> None:
    with pytest.raises(PlanError, match="on frozen features alone"):
        bench_oracle(cohort, 1, ("training.finetune=last",))
    with pytest.raises(PlanError, match="leave active.unit and active.strategy"):
        bench_oracle(cohort, 1, ("active.strategy=esd",))
    with pytest.raises(PlanError, match=r"--starts 2: .* divides the patients otherwise"):
        bench_oracle(cohort, 2, SMALL)


def test_a_tiny_bench_of_rounds(cohort: Cohort) -> None:
    asked = (*SMALL[:2], *TINY, "active.shares=[0.5, 1.0]", "training.epochs=1", "evaluation.bootstrap=100")
    seconds, curves, apart = bench_active(cohort, 1, 1, asked, ("active.epochs=1",)).tables
    assert [row[:2] for row in seconds.rows] == [(PUBLISHED, 2), (FAST, 2)]
    assert seconds.rows[0][-1] == "1.00×"
    assert [row[0] for row in curves.rows] == [PUBLISHED, FAST]
    assert [row[0] for row in apart.rows] == [FAST]
    with pytest.raises(PlanError, match="--folds 3: the split has 2"):
        bench_active(cohort, 1, 3, asked, ("active.epochs=1",))
    with pytest.raises(PlanError, match="training.blocks: the freeze boundary of tiny stands still"):
        bench_active(cohort, 1, 1, asked, ("training.blocks=2",))


def test_a_run_that_was_broken_off_is_played_again(cohort: Cohort, tmp_path: Path) -> None:
    way = Way(RAND, (*SMALL, *TINY, "training.epochs=1", "active.shares=[0.5, 1.0]", "active.strategy=random"))
    plan = plan_of_way(cohort, {}, way, 0, 0)
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "plan.json").write_text("{}")
    assert len(play(cohort, plan, way, folder).cpu) == 2
    other = plan_of_way(cohort, {}, Way(RAND, (*way.overrides, "training.epochs=2")), 0, 0)
    with pytest.raises(RunError, match="was played by another plan; choose another --out"):
        play(cohort, other, way, folder)
