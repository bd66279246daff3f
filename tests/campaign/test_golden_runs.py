"""Runs that earlier versions made are made again: the same queries, the same labels, the same figures.

tests/golden/runs.json was written by earlier versions, from a SIMULATED cohort of 24 patients. Processors differ in the
last digits of what they compute, which moves a grey level here and there and turns near ties between candidates: it
holds what came of two kinds of them, by the cohort's fingerprint. On these, answers are compared as they are exported,
bit for bit, and figures to four digits. On a third kind, the runs must be alike.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fibrostage.campaign.run import run_active
from fibrostage.cohort.store import Cohort, compute_fingerprint
from fibrostage.cohort.tables import BAR, CROP
from fibrostage.intake.build.take_in import Sources, take_in
from fibrostage.learn.plan_for_cohort import plan_for
from fibrostage.learn.train import train
from fibrostage.ledger.export import export
from fibrostage.phantom.recipe import Recipe
from fibrostage.phantom.write import write_phantom
from fibrostage.plan.commands import ACTIVE
from fibrostage.plan.run_plan import Plan

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "runs.json").read_text())
ADDED = {"kappa", "within_one", "recall", "log_loss", "brier", "calibration"}  # to metrics.json since then
BASE = [
    "network.backbone=resnet18", "network.weights=random", "training.epochs=4", 'network.modalities=["LSTE","LUS"]',
    "training.precision=float32",
]  # fmt: skip
RUNS = {
    "random": ["active.strategy=random"],
    "esd": ["active.strategy=esd", "active.passes=8"],
    "stratified_entropy": ["active.strategy=entropy", "active.start=stratified"],
    "badge_patient": ["active.strategy=badge", "active.unit=patient"],
    "bald_power_diverse_image": ["active.strategy=bald+power+diverse", "active.unit=image", "active.passes=8"],
    "esd_clean_complete_quota": [
        "active.strategy=esd+clean+complete", "active.per_patient=3", "active.passes=8", "oracle.error=0.2",
        "oracle.unusable=0.1",
    ],
    "ordinal_margin_validation": [
        "active.strategy=margin", "network.head=ordinal", "split.validation=0.25", "stopping.plateau=5",
        "stopping.stable=5",
    ],
    "typiclust_cost": [
        "active.strategy=typiclust", "active.unit=patient", "cost.reading=0.5", "cost.missing_exam=2",
        "stopping.budget.cost=14",
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("golden")
    source = folder / "source"
    write_phantom(source, Recipe(24, 3, model="common"))
    sources = Sources(source, source / "patients.csv", source / "images.csv")
    return take_in(sources, folder / "cohort", Plan.load(source / "plan.toml"))


def before(cohort: Cohort, name: str) -> tuple[dict[str, Any], bool]:
    """What came of a run on this kind of processor, and whether it is a kind that is known."""
    images = cohort.images.drop(*CROP, *BAR)  # which cohorts did not hold then
    fingerprint = compute_fingerprint(
        cohort.staging, cohort.modalities, cohort.patients, images, cohort.simulated, cohort.caveats
    )
    known = fingerprint in GOLDEN
    return GOLDEN[fingerprint if known else next(iter(GOLDEN))][name], known


@pytest.mark.parametrize("name", RUNS)
def test_the_same_queries_labels_and_figures(simulated: Cohort, tmp_path: Path, name: str) -> None:
    wanted, exactly = before(simulated, name)
    plan = plan_for(simulated, {}, [*BASE, "active.rounds=3", *RUNS[name]], "plan", ACTIVE)
    curve = run_active(simulated, plan, tmp_path / "run")
    export(tmp_path / "run", tmp_path / "answers.csv")
    answers = pl.read_csv(tmp_path / "answers.csv", infer_schema=False).drop("at")
    if not exactly:
        assert answers.height == pytest.approx(wanted["n"], abs=2)
        assert curve["asked"].to_list()[0] == wanted["rounds"][0]["asked"]
        assert curve["auc_macro"].to_list() == pytest.approx([row["auc_macro"] for row in wanted["rounds"]], abs=0.06)
        return
    assert answers.height == wanted["n"]
    assert hashlib.sha256(answers.write_csv().encode()).hexdigest()[:32] == wanted["answers"]
    for row, was in zip(curve.iter_rows(named=True), wanted["rounds"], strict=True):
        assert {key: row[key] for key in was} == pytest.approx(was, abs=1e-3)


def test_a_supervised_run_finds_what_it_found(simulated: Cohort, tmp_path: Path) -> None:
    wanted, exactly = before(simulated, "train")
    near = 1e-3 if exactly else 0.02
    plan = plan_for(simulated, {}, [*BASE, "split.scheme=kfold", "split.folds=3", "evaluation.training=true"])
    train(simulated, plan, tmp_path / "run")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    predictions = pl.read_parquet(tmp_path / "run" / "predictions.parquet")
    assert (predictions.height, predictions.columns) == (wanted["rows"], wanted["columns"])
    assert sorted(set(metrics) - ADDED) == wanted["keys"]
    assert metrics["n_training"] == wanted["n_training"]
    assert metrics["accuracy"] == pytest.approx(wanted["accuracy"], abs=near)
    assert metrics["auc_macro"]["value"] == pytest.approx(wanted["auc_macro"]["value"], abs=near)
    assert metrics["auc_macro"]["lo"] is None, "one stage has two test patients: its interval was not to be believed"
    for cut, was in wanted["auc_at_cut"].items():
        assert metrics["auc_at_cut"][cut] == pytest.approx(was, abs=near)
