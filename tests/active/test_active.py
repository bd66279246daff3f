"""Scores are pure, picks are stable, and a loop is the same run whatever happens to its process."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fibrostage.active.pool import Pool
from fibrostage.active.pool_scoring import uniform
from fibrostage.active.query_selector import Selector
from fibrostage.active.query_units import Units
from fibrostage.active.strategies import STRATEGIES
from fibrostage.active.strategies.spec import entropy
from fibrostage.active.strategy_expression import choose_strategy
from fibrostage.active.top_items import Best
from fibrostage.campaign.query_sizes import schedule
from fibrostage.campaign.run import run_active
from fibrostage.cohort.candidates import CandidateSpace
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError, RunError
from fibrostage.learn.checkpoint import load_network
from fibrostage.learn.learner import make_learner
from fibrostage.learn.train import make_task
from fibrostage.ledger.events import fold
from fibrostage.ledger.export import Carried, carry, export
from fibrostage.ledger.ledger import read_events
from fibrostage.networks.stream import dropout_mask
from fibrostage.plan.run_plan import Plan

Build = Callable[..., Plan]
RNG = np.random.default_rng(0)


def test_an_unknown_strategy_lists_the_known() -> None:
    with pytest.raises(PlanError, match="unknown strategy 'ESD', did you mean 'esd'.*known: random, entropy, esd,"):
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
    with pytest.raises(ValueError, match="item 8 scored NaN"):
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


def test_the_factorised_scores_are_the_literal_ones(cohort: Cohort, tiny_plan: Build) -> None:
    """ESD over the pool equals: run the whole head on every candidate, T times, with the same masks."""
    plan = tiny_plan()
    task = make_task(cohort, plan)
    learner = make_learner(cohort, plan, task.space, task.folds[0].train, 0)
    with torch.no_grad():
        for name in learner.head.modalities:
            learner.head.stream(name).offset.normal_()
    pool = Pool(task.space, task.folds[0].train, np.array([2, 5]))
    bad = cohort.bad_images(plan.fused)
    settings = plan.active.model_copy(update={"passes": 4})
    selector = Selector(learner, Units("candidate", task.space), choose_strategy("esd"), settings, 3, bad)
    chosen = selector.query(pool, 9, 2, pool.asked, pool.asked).items
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
    assert schedule(1000, 5, tiny_plan("active.rounds=3").active) == [100, 400, 700, 1000]
    assert schedule(1000, 5, tiny_plan("active.rounds=3", "active.query=0.05").active) == [100, 150, 200, 250]
    assert schedule(9, 5, tiny_plan("active.rounds=10").active) == [5, 6, 7, 8, 9]
    assert schedule(50, 5, tiny_plan("active.rounds=0").active) == [5]
    assert schedule(1000, 5, tiny_plan("active.shares=[0.001, 0.2, 1]").active) == [5, 200, 1000]
    assert schedule(1000, 5, tiny_plan("active.strategy=all").active) == [1000]


QUICK = ("training.epochs=2", "active.rounds=3", "active.passes=3", "active.start=stratified")


def labels_of(out: Path) -> list[tuple[int, int]]:
    return list(fold(read_events(out)).labels.items())


LOOPS = [*((name, "head") for name in STRATEGIES.names()), ("esd+diverse", "head"), ("esd", "last")]


@pytest.mark.parametrize(("strategy", "finetune"), LOOPS)
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


@pytest.mark.parametrize("unit", ["image", "patient"])
@pytest.mark.parametrize("strategy", ["random", "esd+power", "badge", "typiclust"])
def test_every_unit_can_be_asked_for(
    cohort: Cohort, tiny_plan: Build, tmp_path: Path, unit: str, strategy: str
) -> None:
    plan = tiny_plan(*QUICK[:-1], f"active.unit={unit}", f"active.strategy={strategy}", "active.per_patient=2")
    curve = run_active(cohort, plan, tmp_path / "a")
    assert curve.equals(run_active(cohort, plan, tmp_path / "b"))
    task = make_task(cohort, plan)
    units = Units(unit, task.space)  # type: ignore[arg-type]
    state = fold(read_events(tmp_path / "a"))
    for query in state.issued:
        assert np.bincount(units.patient_of(np.array(query["items"]))).max() <= 2
    if unit == "patient":
        assert curve["items"].to_list() == curve["patients"].to_list()
        assert curve["items"][-1] == 16
    else:
        assert curve["items"].to_list() == curve["images"].to_list()


def test_a_run_stops_where_it_is_told_to(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    plan = tiny_plan(
        *QUICK, "stopping.budget={patients=9}", "active.unit=patient", "active.rounds=5", "cost.reading=0.1"
    )
    curve = run_active(cohort, plan, tmp_path / "a")
    assert curve["patients"].max() == 9
    assert json.loads((tmp_path / "a" / "metrics.json").read_text())["stopped"] == "budget"
    assert curve["cost"][-1] == pytest.approx(9 + 0.1 * curve["images"][-1])
    stable = tiny_plan(*QUICK, "stopping.stable=1", "stopping.agreement=0.01", "active.rounds=5")
    curve = run_active(cohort, stable, tmp_path / "b")
    assert len(curve) < 6
    assert json.loads((tmp_path / "b" / "metrics.json").read_text())["stopped"] == "stable"
    validated = tiny_plan(*QUICK, "split.validation=0.3", "stopping.plateau=1", "stopping.improvement=0.9")
    curve = run_active(cohort, validated, tmp_path / "c")
    assert len(curve) == 2
    assert curve["validation_auc"].is_not_null().all()
    task = make_task(cohort, validated)
    aside = 16 - len(set(task.space.patient_of(fold(read_events(tmp_path / "c")).paid).tolist()))
    assert aside >= 5, "whoever validates is never asked"
    with pytest.raises(PlanError, match="does not allow a single question"):
        run_active(cohort, tiny_plan("stopping.budget={images=1}"), tmp_path / "d")


@pytest.mark.parametrize("strategy", ["random+complete", "coreset+complete", "esd+complete+diverse"])
def test_what_is_put_off_comes_last_and_within_quotas(
    cohort: Cohort, tiny_plan: Build, tmp_path: Path, strategy: str
) -> None:
    plan = tiny_plan("training.epochs=1", "active.rounds=8", f"active.strategy={strategy}", "active.per_patient=2")
    run_active(cohort, plan, tmp_path / "a")
    task = make_task(cohort, plan)
    lacking = np.flatnonzero((task.space.counts == 0).any(axis=1))
    state = fold(read_events(tmp_path / "a"))
    late = False
    for query in state.issued:
        owners = task.space.patient_of(query["items"])
        assert np.bincount(owners).max() <= 2
        incomplete = np.isin(owners, lacking)
        assert (np.diff(incomplete.astype(int)) >= 0).all(), "first those who lack nothing"
        late |= bool(incomplete.any())
    whole = tiny_plan("training.epochs=1", "active.rounds=2", f"active.strategy={strategy}")
    curve = run_active(cohort, whole, tmp_path / "b")
    assert curve["share"][-1] == 1


def test_a_stratified_start_keeps_to_the_quota(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    plan = tiny_plan(*QUICK, "active.per_patient=1", "active.rounds=0", "active.initial=0.15")
    run_active(cohort, plan, tmp_path / "a")
    (query,) = fold(read_events(tmp_path / "a")).issued
    task = make_task(cohort, plan)
    assert np.bincount(task.space.patient_of(query["items"])).max() == 1


def test_carried_labels(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    """They begin a run however many they are, are remembered on resume, and never come from test patients."""
    plan = tiny_plan(*QUICK)
    run_active(cohort, plan, tmp_path / "a")
    export(tmp_path / "a", tmp_path / "l.csv")
    classes = plan.staging.resolve().classes

    def brought(units: Units) -> Carried:
        return carry(tmp_path / "l.csv", units, cohort.patient_ids, classes)

    some = (tmp_path / "l.csv").read_text().splitlines()
    (tmp_path / "l.csv").write_text("\n".join(some[: len(some) // 2]) + "\n")
    curve = run_active(cohort, plan, tmp_path / "b", carried=brought)
    assert curve["items"][0] == len(some) // 2 - 1
    assert curve["items"].is_sorted()
    assert curve["share"][-1] == 1
    with pytest.raises(RunError, match="another --labels"):
        run_active(cohort, plan, tmp_path / "b", resume=True)
    assert run_active(cohort, plan, tmp_path / "b", resume=True, carried=brought).equals(curve)
    with pytest.raises(PlanError, match="patients of the carried labels, the first 'P"):
        run_active(cohort, tiny_plan(*QUICK, "seed=5"), tmp_path / "c", carried=brought)


def test_a_ledger_that_went_missing_does_not_restart_a_run(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    run_active(cohort, tiny_plan(*QUICK), tmp_path / "a")
    (tmp_path / "a" / "ledger.sqlite").unlink()
    with pytest.raises(RunError, match="has no events of it"):
        run_active(cohort, tiny_plan(*QUICK), tmp_path / "a", resume=True)


def test_a_faulty_oracle_is_heard_and_paid(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    plan = tiny_plan(*QUICK, "oracle.unusable=0.3", "oracle.error=0.5")
    curve = run_active(cohort, plan, tmp_path / "a")
    state = fold(read_events(tmp_path / "a"))
    assert 0.1 < len(state.rejected) / len(state.spent) < 0.5
    assert curve["rejected"][-1] == len(state.rejected)
    assert curve["candidates"][-1] == len(state.spent)
    task = make_task(cohort, plan)
    wrong = cohort.stages[task.space.patient_of(state.items)] != state.stages
    assert wrong.any()
    assert not wrong.all()


def test_an_ordinal_head_is_a_network_like_any_other(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    plan = tiny_plan("network.head=ordinal", "training.epochs=25", "active.rounds=2", "active.strategy=bald")
    curve = run_active(cohort, plan, tmp_path / "a")
    assert curve["auc_macro"][-1] > 0.8
    network, loaded = load_network(tmp_path / "a" / "model.safetensors")
    assert loaded.network.head == "ordinal"
    thresholds = network.head.link.thresholds()  # type: ignore[attr-defined]
    assert (thresholds.diff() > 0).all()


def test_test_patients_are_never_queried(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    plan = tiny_plan(*QUICK)
    run_active(cohort, plan, tmp_path / "a")
    task = make_task(cohort, plan)
    asked = task.space.patient_of([candidate for candidate, _ in labels_of(tmp_path / "a")])
    assert not set(asked.tolist()) & set(task.folds[0].test.tolist())


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


def test_a_run_killed_before_its_plan_was_written_begins_anew(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    out = tmp_path / "a"
    out.mkdir()
    (out / "log.jsonl").touch()
    (out / ".plan.json.4711.partial").write_text('{"seed":')
    plan = tiny_plan(*QUICK, "active.rounds=1")
    with pytest.raises(RunError, match="nothing to resume"):
        run_active(cohort, plan, out, resume=True)
    assert len(run_active(cohort, plan, out))
