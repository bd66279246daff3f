"""Doubtful labels: flipped ones are found, and what cannot be judged is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from fibrostage.analysis.doubtful_labels import doubts_of, find_doubts
from fibrostage.cli.app import app
from fibrostage.ground.errors import PlanError, RunError
from fibrostage.ground.stage import METAVIR
from fibrostage.results.run_folder import RunFolder, write_parquet
from fibrostage.results.study_folder import StudyFolder, StudyRecord
from tests.results.made import made_metrics


def predictions(n: int, flipped: int) -> tuple[pl.DataFrame, set[str]]:
    """Predictions that know the truth fairly well; some labels are two stages off."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, n)
    table = rng.dirichlet(np.full(5, 0.5), n) * 0.6
    table[np.arange(n), truth] += 0.4
    wrong = rng.choice(n, flipped, replace=False)
    labels = truth.copy()
    labels[wrong] = (labels[wrong] + 2) % 5
    names = [f"P{i:03d}" for i in range(n)]
    frame = pl.DataFrame({"patient_id": names, "stage": [METAVIR.classes[k] for k in labels], "split": "test"})
    return frame.with_columns([pl.Series(f"p_{k}", table[:, k]) for k in range(5)]), {names[i] for i in wrong}


def test_flipped_labels_come_first() -> None:
    frame, wrong = predictions(200, 20)
    table = doubts_of(frame, METAVIR)
    found = set(table.filter("doubtful")["patient_id"])
    assert len(found & wrong) >= 17
    assert len(found - wrong) <= 12
    assert len(set(table["patient_id"].head(20)) & wrong) >= 14
    assert table["quality"].is_between(0, 1).all()


def test_stages_nobody_has_are_no_trouble() -> None:
    frame, _ = predictions(100, 5)
    table = doubts_of(frame.filter(pl.col("stage") != "F3"), METAVIR)
    assert not table.filter(pl.col("stage") == "F3").height


def test_few_patients_say_nothing() -> None:
    with pytest.raises(RunError, match="19 held-out patients; doubts needs at least 20"):
        doubts_of(predictions(19, 1)[0], METAVIR)


def write_run(folder: Path, frame: pl.DataFrame, method: str = "LSTE", strategy: str | None = None) -> None:
    """A finished run with these predictions."""
    run = RunFolder(folder)
    run.make()
    run.write_plan({"staging": {"name": "METAVIR"}})
    run.write_metrics(made_metrics(method=method, strategy=strategy))
    write_parquet(run.predictions_file, frame)


def test_doubts_of_a_study_look_at_every_run_whatever_it_asked_by(tmp_path: Path) -> None:
    """Four strategies are more than a page draws; what is drawn decides no analysis."""
    study, names = StudyFolder(tmp_path), ("random", "esd", "bald", "margin")
    parts = [predictions(240, 24)[0][60 * k : 60 * (k + 1)] for k in range(4)]
    for name, part in zip(names, parts, strict=True):
        write_run(study.runs_folder / name, part, strategy=name)
    record = StudyRecord(name="s", runs=names, methods=dict.fromkeys(names, "LSTE"), failures={})
    study.write(record)
    study.write_table("results", pl.DataFrame({"method": ["LSTE"]}))
    assert set(find_doubts(tmp_path)["patient_id"]) == {f"P{i:03d}" for i in range(240)}
    write_run(study.runs_folder / "other", parts[0], method="LUS", strategy="esd")
    study.write(record.model_copy(update={"runs": (*names, "other")}))
    with pytest.raises(PlanError, match="holds several methods"):
        find_doubts(tmp_path)
    study.write(record.model_copy(update={"supervised": True}))
    with pytest.raises(PlanError, match="is a study of supervised runs"):
        find_doubts(tmp_path)


def test_doubts_of_a_run(tmp_path: Path) -> None:
    frame, wrong = predictions(60, 6)
    write_run(tmp_path, frame)
    assert len(find_doubts(tmp_path)) == 60
    said = CliRunner().invoke(app, ["doubts", str(tmp_path), "--out", str(tmp_path / "d.csv"), "--json"])
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout)["n"] == 60
    assert len(set(pl.read_csv(tmp_path / "d.csv").head(6)["patient_id"]) & wrong) >= 4
