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
from fibrostage.ground.errors import RunError
from fibrostage.ground.stage import METAVIR


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


def test_doubts_of_a_run(tmp_path: Path) -> None:
    frame, wrong = predictions(60, 6)
    frame.write_parquet(tmp_path / "predictions.parquet")
    metrics = {"method": "LSTE", "classes": list(METAVIR.classes), "auc_at_cut": {}, "simulated": False, "caveats": []}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    (tmp_path / "plan.json").write_text(json.dumps({"staging": {"name": "METAVIR"}}))
    assert len(find_doubts(tmp_path)) == 60
    said = CliRunner().invoke(app, ["doubts", str(tmp_path), "--out", str(tmp_path / "d.csv"), "--json"])
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout)["n"] == 60
    assert len(set(pl.read_csv(tmp_path / "d.csv").head(6)["patient_id"]) & wrong) >= 4
