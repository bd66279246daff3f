"""A campaign's loop is the same run whatever happens to its process."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fibrostage.active.query_units import query_unit
from fibrostage.active.query_units.spec import QueryUnit
from fibrostage.active.strategies import STRATEGIES
from fibrostage.campaign.carried_labels import Carried, carry
from fibrostage.campaign.run import run_active
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError, RunError
from fibrostage.learn.checkpoint import load_network
from fibrostage.learn.task import make_task
from fibrostage.ledger.export import export
from fibrostage.ledger.ledger import read_events
from fibrostage.ledger.state import replay
from fibrostage.plan.run_plan import Plan
from fibrostage.results.predictions import scores_of
from fibrostage.results.run_folder import RunFolder

Build = Callable[..., Plan]
QUICK = ("training.epochs=2", "active.rounds=3", "active.passes=3", "active.start=stratified")


def labels_of(out: Path) -> list[tuple[int, int]]:
    return list(replay(read_events(out)).labels.items())


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
    run = RunFolder(tmp_path / "a")
    withheld, told = pl.read_parquet(run.by_modality_file), run.read_predictions()
    assert set(withheld["method"]) == {"LSTE+LUS", "LSTE", "LUS"}
    staging = run.read_metrics().staging("METAVIR")
    whole, each = scores_of(withheld.filter(method="LSTE+LUS"), staging), scores_of(told, staging)
    both = np.isin(each.patients, whole.patients)
    assert whole.probabilities == pytest.approx(each.probabilities[both], abs=1e-5)


@pytest.mark.parametrize("unit", ["image", "patient"])
@pytest.mark.parametrize("strategy", ["random", "esd+power", "badge", "typiclust"])
def test_every_unit_can_be_asked_for(
    cohort: Cohort, tiny_plan: Build, tmp_path: Path, unit: str, strategy: str
) -> None:
    plan = tiny_plan(*QUICK[:-1], f"active.unit={unit}", f"active.strategy={strategy}", "active.per_patient=2")
    curve = run_active(cohort, plan, tmp_path / "a")
    assert curve.equals(run_active(cohort, plan, tmp_path / "b"))
    task = make_task(cohort, plan)
    units = query_unit(unit, task.space)  # type: ignore[arg-type]
    state = replay(read_events(tmp_path / "a"))
    for query in state.issued:
        assert np.bincount(units.patient_of(np.array(query.items))).max() <= 2
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
    aside = 16 - len(set(task.space.patient_of(replay(read_events(tmp_path / "c")).paid).tolist()))
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
    state = replay(read_events(tmp_path / "a"))
    late = False
    for query in state.issued:
        owners = task.space.patient_of(query.items)
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
    (query,) = replay(read_events(tmp_path / "a")).issued
    task = make_task(cohort, plan)
    assert np.bincount(task.space.patient_of(query.items)).max() == 1


def test_carried_labels(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    """They begin a run however many they are, are remembered on resume, and never come from test patients."""
    plan = tiny_plan(*QUICK)
    run_active(cohort, plan, tmp_path / "a")
    export(tmp_path / "a", tmp_path / "l.csv")
    classes = plan.staging.resolve().classes

    def brought(units: QueryUnit) -> Carried:
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
    state = replay(read_events(tmp_path / "a"))
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
    known = RunFolder(tmp_path / "a").read_participants()
    assert known is not None
    kept = dict(known.select("patient_id", "cohort").iter_rows())
    names = task.cohort.patient_ids
    assert {kept[names[row]] for row in asked} == {"train"}
    assert {kept[names[row]] for row in task.folds[0].test} == {"test"}


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
