"""Scores are pure, picks are stable, and a loop is the same run whatever happens to its process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fibrostage.active.ledger import Ledger
from fibrostage.active.loop import cost_of, run_active, schedule
from fibrostage.active.oracle import Archive
from fibrostage.active.picker import Best
from fibrostage.active.pool import Pool
from fibrostage.active.score import choose, uniform
from fibrostage.active.strategies import STRATEGIES
from fibrostage.active.strategies.spec import Known, entropy
from fibrostage.cohort.candidates import CandidateSpace
from fibrostage.cohort.store import Cohort
from fibrostage.errors import PlanError, RunError
from fibrostage.learn.learner import make_learner
from fibrostage.learn.train import make_task
from fibrostage.networks.stream import dropout_mask
from fibrostage.plan import Plan

Build = Callable[..., Plan]
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("name", STRATEGIES.names())
def test_strategy_contract(name: str) -> None:
    """Every strategy: one finite score a candidate, pure, and indifferent to the order of candidates."""
    strategy = STRATEGIES[name]
    table = RNG.dirichlet(np.ones(5), 30).astype(np.float32)
    table[0] = np.eye(5)[0]  # certainty, with 0 log 0
    known = Known(RNG.random(30), table) if strategy.needs == "noise" else Known(probabilities=table)
    scores = strategy.score(known)
    assert scores.shape == (30,)
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(strategy.score(known), scores)
    order = RNG.permutation(30)
    turned = Known(*(None if part is None else part[order] for part in (known.noise, known.probabilities)))
    np.testing.assert_allclose(strategy.score(turned), scores[order])
    if strategy.needs != "noise":
        assert scores.argmin() == 0


def test_an_unknown_strategy_lists_the_known() -> None:
    with pytest.raises(PlanError, match="unknown strategy 'ESD', did you mean 'esd'.*known: random, entropy, esd"):
        STRATEGIES["ESD"]


def test_entropy_is_the_papers() -> None:
    assert entropy(np.full((1, 5), 0.2)) == pytest.approx(np.log(5))
    assert entropy(np.eye(5)[:1])[0] == 0


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(1, 70), st.integers(1, 9), st.integers(0, 5))
def test_the_running_top_k_is_the_sorted_head(scores: list[int], k: int, block: int, seed: int) -> None:
    ids = np.random.default_rng(seed).permutation(1000)[: len(scores)].astype(np.int64)
    values = np.array(scores, dtype=np.float64)
    best = Best(k)
    for start in range(0, len(ids), block):
        best.add(ids[start : start + block], values[start : start + block])
    expected = [i for _, i in sorted(zip((-values).tolist(), ids.tolist(), strict=True))][:k]
    assert best.ids().tolist() == expected


def test_a_score_that_is_no_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="candidate 8 scored NaN"):
        Best(2).add(np.array([7, 8]), np.array([1.0, np.nan]))


def test_noise_belongs_to_the_candidate() -> None:
    ids = np.arange(10_000)
    noise = uniform(0, 1, ids)
    np.testing.assert_array_equal(uniform(0, 1, ids[500:600]), noise[500:600])
    assert not np.array_equal(uniform(0, 2, ids), noise)
    assert not np.array_equal(uniform(1, 1, ids), noise)
    assert noise.min() >= 0
    assert noise.max() < 1
    assert np.histogram(noise, 10)[0] == pytest.approx(1000, abs=150)


SPACE = CandidateSpace(("a", "b"), np.array([[2, 3], [1, 0], [0, 0], [2, 2], [3, 1]]))


def test_a_pool_is_everything_but_the_labelled() -> None:
    pool = Pool(SPACE, np.array([0, 1, 4]), np.array([1, 6, 12]))
    assert pool.capacity == 6 + 1 + 3
    for size in (1, 3, 100):
        ids = np.concatenate(list(pool.blocks(size)))
        assert ids.tolist() == [0, 2, 3, 4, 5, 11, 13]
    assert len(pool) == 7
    assert list(pool.ranges()) == [(0, 7), (11, 14)]


def test_three_currencies() -> None:
    cost = cost_of(SPACE, np.array([0, 1, 6, 11]))
    assert (cost.candidates, cost.images, cost.patients) == (4, 1 + 2 + 1 + 1 + 1, 3)


def test_the_archive_answers_with_the_patients_stage() -> None:
    oracle = Archive(SPACE, np.array([4, 3, 2, 1, 0]))
    assert oracle.label(np.array([0, 6, 7, 13])).tolist() == [4, 3, 1, 0]


def test_the_factorised_scores_are_the_literal_ones(cohort: Cohort, tiny_plan: Build) -> None:
    """ESD over the pool equals: run the whole head on every candidate, T times, with the same masks."""
    plan = tiny_plan()
    task = make_task(cohort, plan)
    learner = make_learner(cohort, plan, task.space, task.folds[0].train, 0)
    with torch.no_grad():
        for name in learner.head.modalities:
            learner.head.stream(name).offset.normal_()
    pool = Pool(task.space, task.folds[0].train, np.array([2, 5]))
    chosen = choose(learner, pool, STRATEGIES["esd"], 9, 4, seed=3, round_=2)
    rng = np.random.default_rng([3, 2, 10])
    masks = {n: dropout_mask((4, 16), 0.5, rng) for n in learner.head.modalities}
    ids = np.concatenate(list(pool.blocks()))
    rows = task.space.decode(ids)
    mean = np.zeros((len(ids), 5))
    with torch.no_grad():
        for t in range(4):
            for at, row in enumerate(rows):
                logits = learner.head.link.bias
                for k, name in enumerate(learner.head.modalities):
                    stream = learner.head.stream(name)
                    if row[k] < 0:
                        logits = logits + stream.offset
                    else:
                        v = stream.embed(learner.features[name][[row[k]]])[0]
                        logits = logits + stream.classify(v * masks[name][t])
                mean[at] += logits.softmax(-1).double().numpy() / 4
    literal = entropy(mean)
    best = np.sort(literal)[::-1][:9]
    np.testing.assert_allclose(literal[np.searchsorted(ids, chosen)], best, atol=1e-5)


def test_the_schedule_ends_with_the_whole_pool(tiny_plan: Build) -> None:
    assert schedule(1000, 5, tiny_plan("active.rounds=3")) == [100, 400, 700, 1000]
    assert schedule(1000, 5, tiny_plan("active.rounds=3", "active.query=0.05")) == [100, 150, 200, 250]
    assert schedule(9, 5, tiny_plan("active.rounds=10")) == [5, 6, 7, 8, 9]
    assert schedule(50, 5, tiny_plan("active.rounds=0")) == [5]


QUICK = ("training.epochs=2", "active.rounds=3", "active.passes=3")


def labels_of(out: Path) -> list[tuple[int, int]]:
    ledger = Ledger(out)
    state = ledger.state()
    ledger.close()
    return list(zip(state.candidates.tolist(), state.stages.tolist(), strict=True))


@pytest.mark.parametrize(("strategy", "finetune"), [*((name, "head") for name in STRATEGIES.names()), ("esd", "last")])
def test_a_loop_is_deterministic_and_its_curve_counts(
    cohort: Cohort, tiny_plan: Build, tmp_path: Path, strategy: str, finetune: str
) -> None:
    plan = tiny_plan(*QUICK, f"active.strategy={strategy}", f"training.finetune={finetune}")
    curve = run_active(cohort, plan, tmp_path / "a")
    again = run_active(cohort, plan, tmp_path / "b")
    assert curve.equals(again)
    assert labels_of(tmp_path / "a") == labels_of(tmp_path / "b")
    metrics = json.loads((tmp_path / "a" / "metrics.json").read_text())
    assert curve["candidates"].to_list()[-1] == metrics["pool"] == curve["candidates"].max()
    assert curve["share"].to_list()[-1] == 1.0
    assert curve["patients"].to_list()[-1] == 16
    first = [stage for _, stage in labels_of(tmp_path / "a")][: curve["candidates"][0]]
    assert set(first) == {0, 1, 2, 3, 4}  # every stage from the start
    labels = [candidate for candidate, _ in labels_of(tmp_path / "a")]
    assert len(set(labels)) == len(labels)
    assert {"round", "candidates", "images", "patients", "accuracy", "auc_macro", "auc_at_F2"} <= set(curve.columns)
    assert pl.read_parquet(tmp_path / "a" / "curve.parquet").equals(curve)


def test_test_patients_are_never_queried(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    plan = tiny_plan(*QUICK)
    run_active(cohort, plan, tmp_path / "a")
    task = make_task(cohort, plan)
    asked = task.space.patient_of([candidate for candidate, _ in labels_of(tmp_path / "a")])
    assert not set(asked.tolist()) & set(task.folds[0].test.tolist())


def test_killed_anywhere_a_run_resumes_to_the_same_queries(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    plan = tiny_plan("training.epochs=25", "active.rounds=5", "active.passes=3")
    expected = run_active(cohort, plan, tmp_path / "whole")
    file = tmp_path / "plan.json"
    file.write_text(plan.canonical())
    script = (
        "import sys, torch; torch.set_num_threads(1)\n"
        "from pathlib import Path\n"
        "from fibrostage.active.loop import run_active\n"
        "from fibrostage.cohort.store import open_cohort\n"
        "from fibrostage.plan import Plan\n"
        "out = Path(sys.argv[3])\n"
        "cohort, plan = open_cohort(Path(sys.argv[1])), Plan.load(Path(sys.argv[2]))\n"
        "run_active(cohort, plan, out, resume=(out / 'plan.json').exists())\n"
    )
    out = tmp_path / "killed"
    command = [sys.executable, "-c", script, str(cohort.path), str(file), str(out)]
    kills = 0
    for delay in (0.05, 0.25, 0.5, 0.1):
        process = subprocess.Popen(command)
        while process.poll() is None and not (out / "ledger.sqlite").exists():
            time.sleep(0.01)
        time.sleep(delay)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills >= 1
    subprocess.run(command, check=True)
    assert labels_of(out) == labels_of(tmp_path / "whole")
    assert pl.read_parquet(out / "curve.parquet").equals(expected)
    wanted, got = (json.loads((p / "metrics.json").read_text()) for p in (tmp_path / "whole", out))
    assert wanted == got
    assert [p.name for p in out.glob("state-*")] == ["state-5.safetensors"]


def test_what_cannot_be_resumed(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    plan = tiny_plan(*QUICK, "active.rounds=1")
    run_active(cohort, plan, tmp_path / "a")
    with pytest.raises(RunError, match="another plan"):
        run_active(cohort, plan.model_copy(update={"seed": 9}), tmp_path / "a", resume=True)
    with pytest.raises(RunError, match="nothing to resume"):
        run_active(cohort, plan, tmp_path / "b", resume=True)
    with pytest.raises(RunError, match="never overwritten"):
        run_active(cohort, plan, tmp_path / "a")
    with pytest.raises(PlanError, match=r"active.fold = 3, but the split has 1"):
        run_active(cohort, tiny_plan("active.fold=3"), tmp_path / "c")
    (tmp_path / "a" / "ledger.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(RunError, match="ledger"):
        run_active(cohort, plan, tmp_path / "a", resume=True)
