"""Losses and figures told while a run goes on: what is told, what a run's folder holds then, and what is refused."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import fibrostage
from fibrostage.campaign.run import run_active
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError, RunError
from fibrostage.learn.tracking import UNTRACKED, open_tracking
from fibrostage.learn.train import train
from fibrostage.plan.commands import TRAIN
from fibrostage.plan.run_plan import Plan

SHORT = ("training.epochs=2", "evaluation.bootstrap=100", "split.validation=0.3")
Build = Callable[..., Plan]


def told(folder: Path) -> dict[tuple[str, int], float]:
    """A table's values by name and step."""
    rows = csv.DictReader((folder / "values.csv").open(encoding="utf-8"))
    return {(row["name"], int(row["step"])): float(row["value"]) for row in rows}


def logged(run: Path, event: str) -> list[dict[str, float]]:
    """What a run's own log says of an event."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["event"] == event]


def test_every_epoch_and_the_figures_of_a_supervised_run_are_told(
    cohort: Cohort, tiny_plan: Build, tmp_path: Path
) -> None:
    plan = tiny_plan(*SHORT, "tracking.to=csv")
    metrics = train(cohort, plan, tmp_path / "run")
    values = told(tmp_path / "run.tracking")
    for epoch in logged(tmp_path / "run", "epoch"):
        for name in ("loss", "validation_loss"):
            assert values[f"fold 0.0/{name}", int(epoch["epoch"])] == pytest.approx(epoch[name])
    assert values["figures/accuracy", 0] == pytest.approx(metrics.accuracy.value)
    about = json.loads((tmp_path / "run.tracking" / "about.json").read_text(encoding="utf-8"))
    assert about["use"] == fibrostage.RESEARCH_USE
    assert about["training.epochs"] == 2
    assert "active.rounds" not in about, "which train does not read"
    assert "tracking" not in (tmp_path / "run" / "plan.json").read_text(encoding="utf-8")


def test_the_figures_of_every_round_are_told_and_a_resumed_run_goes_on(
    cohort: Cohort, tiny_plan: Build, tmp_path: Path
) -> None:
    asked = (*SHORT, "active.rounds=1", "active.strategy=random")
    curve = run_active(cohort, tiny_plan(*asked, "tracking.to=csv"), tmp_path / "run")
    values = told(tmp_path / "run.tracking")
    for row in curve.to_dicts():
        assert values["figures/patients", row["round"]] == row["patients"]
        assert (f"round {row['round']}/loss", 1) in values
    run_active(
        cohort, tiny_plan(*asked, f"tracking.folder={tmp_path / 'later'}", "tracking.to=csv"), tmp_path / "run", True
    )
    assert not (tmp_path / "later").exists(), "as nothing was left to do"


def test_the_programs_that_are_installed_draw_what_they_were_told(
    cohort: Cohort, tiny_plan: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorBoard, MLflow and Weights & Biases themselves, in one run; nobody's name is in what they write."""
    import mlflow
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setenv("WANDB_MODE", "offline")
    before = mlflow.get_tracking_uri()
    plan = tiny_plan(*SHORT, 'tracking.to=["tensorboard", "mlflow", "wandb"]')
    train(cohort, plan, tmp_path / "run")
    folder = tmp_path / "run.tracking"
    losses = [epoch["loss"] for epoch in logged(tmp_path / "run", "epoch")]
    drawn = EventAccumulator(str(folder / "tensorboard" / "run"))
    drawn.Reload()
    assert [one.value for one in drawn.Scalars("fold 0.0/loss")] == pytest.approx(losses)
    (noted,) = (folder / "mlflow").glob("*/*/metrics/fold 0.0/loss")
    assert [float(line.split()[1]) for line in noted.read_text(encoding="utf-8").splitlines()] == pytest.approx(losses)
    assert mlflow.get_tracking_uri() == before
    (offline,) = (folder / "wandb").glob("offline-run-*/run-*.wandb")
    assert b"fold 0.0/loss" in offline.read_bytes()
    (tags,) = (folder / "mlflow").glob("*/*/tags")
    assert {path.name: path.read_text(encoding="utf-8") for path in tags.iterdir()}.get("mlflow.user") == ""
    assert os.uname().nodename.encode() not in offline.read_bytes()


def test_what_cannot_be_tracked_is_refused_before_anything_begins(
    cohort: Cohort, tiny_plan: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PlanError, match=r"tracking.to.0 = 'paper'.*'csv', 'tensorboard'"):
        tiny_plan("tracking.to=paper")
    (tmp_path / "run.tracking").mkdir()
    (tmp_path / "run.tracking" / "values.csv").touch()
    with pytest.raises(RunError, match="another run was tracked with"):
        train(cohort, tiny_plan("tracking.to=csv"), tmp_path / "run")
    monkeypatch.setattr("fibrostage.learn.tracking.find_spec", lambda name: None if name == "mlflow" else name)
    with pytest.raises(PlanError, match=r"needs MLflow: install fibrostage with its extra \[tracking\]"):
        train(cohort, tiny_plan("tracking.to=mlflow"), tmp_path / "other")
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "other").exists()


def test_nothing_is_made_where_nothing_is_tracked(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    tracking = open_tracking(tiny_plan(), cohort, tmp_path / "run", TRAIN)
    assert tracking is UNTRACKED
    assert tracking.epochs("fold") is None
    tracking.note("figures", {"accuracy": 1.0}, 0)
    assert list(tmp_path.iterdir()) == []
